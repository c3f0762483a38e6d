import type { z } from 'zod';
import type { Bucket } from './bucket/port.ts';
import { readFile } from './file.ts';
import { idSeed, newId } from './ids.ts';
import { type ImageRecord, type imageRequestSchema, images } from './image.ts';
import { createJob, type JobServices, readJob } from './lifecycle.ts';
import { type LoraRecord, readLora } from './lora.ts';
import { type Model, readModel } from './model.ts';
import { RequestError } from './request-error.ts';
import { settleTraining } from './settle-training.ts';
import { type TrainingRecord, trainings } from './training.ts';
import type { ParsedTrainingRequest } from './training-request.ts';

/** Creating a job also needs somewhere to report a queue that could not be reached; see createJob. */
export type CreateServices = JobServices & { report: (error: unknown) => void };

/**
 * Accepts a training whose options go together and whose model, files and start exist.
 * @throws RequestError `options_conflict`, `too_many_steps`, `unknown_model`, `unknown_file`, `file_not_uploaded`, `unknown_lora`,
 * `unknown_training`, `lora_mismatch`
 */
export async function createTraining(
  services: CreateServices,
  tenant: string,
  request: ParsedTrainingRequest,
  id: string = newId('training'),
): Promise<TrainingRecord> {
  const { bucket } = services;
  const places = (list: 'files' | 'prior_files') =>
    request[list].map(({ file_id: id }, i) => ({ id, param: `${list}.${i}.file_id` }));
  const { resolution } = await wantModel(bucket, request.model);
  const settled = settleTraining(request, { resolution, seed: idSeed(id) });
  await Promise.all([
    wantFiles(bucket, tenant, [...places('files'), ...places('prior_files')]),
    wantStart(bucket, tenant, request),
  ]);
  return createJob(services, trainings, { tenant, id, request: settled, totalSteps: settled.steps }, services.report);
}

/**
 * Accepts a request for pictures whose model and LoRAs exist and fit.
 * @throws RequestError `unknown_model`, `unknown_lora`, `lora_mismatch`, `image_wanted`, `unknown_file`, `file_not_uploaded`
 */
export async function createImage(
  services: CreateServices,
  tenant: string,
  request: z.output<typeof imageRequestSchema>,
  id: string = newId('image'),
): Promise<ImageRecord> {
  const { image, mask, image_strength } = request;
  for (const [param, given] of Object.entries({ mask, image_strength })) {
    if (given !== undefined && image === undefined)
      throw new RequestError('image_wanted', `${param} says what to do with an image; want image as well`, param);
  }
  const files = Object.entries({ image, mask }).flatMap(([param, id]) => (id === undefined ? [] : [{ id, param }]));
  const [model] = await Promise.all([
    wantModel(services.bucket, request.model),
    wantFiles(services.bucket, tenant, files),
    ...request.loras.map((lora, i) => wantLora(services.bucket, tenant, lora.name, request.model, `loras.${i}.name`)),
  ]);
  const settled = {
    ...request,
    width: request.width ?? model.resolution,
    height: request.height ?? model.resolution,
    steps: request.steps ?? model.default_steps,
    guidance_scale: request.guidance_scale ?? model.default_guidance_scale,
    sampler: request.sampler ?? model.default_sampler,
    seed: request.seed ?? idSeed(id),
    ...(image === undefined ? {} : { image_strength: image_strength ?? (mask === undefined ? 0.6 : 1) }),
  };
  return createJob(services, images, { tenant, id, request: settled, totalSteps: settled.steps }, services.report);
}

async function wantModel(bucket: Bucket, name: string): Promise<Model> {
  const model = await readModel(bucket, name);
  if (!model) throw new RequestError('unknown_model', `no model named ${name}; GET /v1/models lists them`, 'model');
  return model;
}

async function wantLora(bucket: Bucket, tenant: string, name: string, model: string, param: string): Promise<LoraRecord> {
  const lora = await readLora(bucket, tenant, name);
  if (!lora) throw new RequestError('unknown_lora', `no LoRA named ${name}; GET /v1/loras lists them`, param);
  if (lora.model !== model) {
    throw new RequestError('lora_mismatch', `LoRA ${name} was trained on ${lora.model}; want model ${lora.model}`, param);
  }
  return lora;
}

/** What a training goes on from exists, is the caller’s, and has the shape that is asked for. */
async function wantStart(bucket: Bucket, tenant: string, { continue_from: start, model, rank }: ParsedTrainingRequest) {
  if (!start) return;
  if ('lora' in start) {
    const lora = await wantLora(bucket, tenant, start.lora, model, 'continue_from.lora');
    wantRank(`LoRA ${start.lora}`, lora.rank, rank);
    return;
  }
  const { training_id: id } = start;
  const training = await readJob(bucket, trainings, tenant, id);
  if (!training) throw new RequestError('unknown_training', `no training ${id}`, 'continue_from.training_id');
  const { model: base, rank: had } = training.request;
  if (base !== model) {
    const message = `training ${id} is one of ${base}; want model ${base}`;
    throw new RequestError('lora_mismatch', message, 'continue_from.training_id');
  }
  wantRank(`training ${id}`, had, rank);
}

function wantRank(of: string, had: number, rank: number) {
  if (had !== rank) throw new RequestError('lora_mismatch', `${of} has rank ${had}, not ${rank}; want rank ${had}`, 'rank');
}

/** How many files are looked up at a time: a thousand at once would exhaust the sockets of a small function. */
const lookups = 32;

async function wantFiles(bucket: Bucket, tenant: string, files: { id: string; param: string }[]) {
  const firstUse = new Map<string, string>();
  for (const { id, param } of files) if (!firstUse.has(id)) firstUse.set(id, param);
  const left = [...firstUse];
  for (let batch = left.splice(0, lookups); batch.length > 0; batch = left.splice(0, lookups)) {
    await Promise.all(
      batch.map(async ([id, param]) => {
        const file = await readFile(bucket, tenant, id);
        if (!file) throw new RequestError('unknown_file', `no file ${id}`, param);
        if (!file.uploaded) {
          const message = `the ${file.size_bytes} bytes of ${id} have not been uploaded; PUT them to its upload URL first`;
          throw new RequestError('file_not_uploaded', message, param);
        }
      }),
    );
  }
}
