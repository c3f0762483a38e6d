import type { z } from 'zod';
import type { Bucket } from './bucket/port.ts';
import { checkTraining } from './check-training.ts';
import { idSeed, newId } from './ids.ts';
import { type ImageRecord, type ImageRequest, type imageRequestSchema, images, type SettledLora } from './image.ts';
import { createJob, type JobServices, repeatJob } from './lifecycle.ts';
import { RequestError } from './request-error.ts';
import { type TrainingRecord, trainings } from './training.ts';
import type { ParsedTrainingRequest } from './training-request.ts';
import { wantLora, wantModel, wantPictures } from './wanted.ts';

/** Creating a job also needs somewhere to report a queue that could not be reached; see createJob. */
export type CreateServices = JobServices & { report: (error: unknown) => void };

/**
 * Accepts a training that its preflight finds no fault with; its doubts are kept in the record.
 * @throws RequestError `preflight_failed` with all findings, or as `checkTraining`
 */
export async function createTraining(
  services: CreateServices,
  tenant: string,
  asked: ParsedTrainingRequest,
  id: string = newId('training'),
): Promise<TrainingRecord> {
  const { request, findings } = await checkTraining(services.bucket, tenant, asked, id);
  const [first, second] = findings.filter(({ severity }) => severity === 'error');
  if (first) {
    const { file, message, what_to_do } = first;
    const told = `${file ? `${file.name}: ` : ''}${message}; ${what_to_do}${second ? ' (and more, see findings)' : ''}`;
    throw new RequestError('preflight_failed', told, file && `files.${file.index}.file_id`, findings);
  }
  const job = { tenant, id, request, totalSteps: request.steps, fields: { warnings: findings } };
  return createJob(services, trainings, job, services.report);
}

/**
 * Accepts a request for pictures whose model and LoRAs exist and fit.
 * @throws RequestError `id_taken`, or as settleImage does
 */
export async function createImage(
  services: CreateServices,
  tenant: string,
  request: z.output<typeof imageRequestSchema>,
  givenId?: string,
): Promise<ImageRecord> {
  const repeated = givenId && (await repeatJob(services, images, { tenant, id: givenId, asked: request }, services.report));
  if (repeated) return repeated;
  return acceptImage(services, tenant, request, givenId ?? newId('image'));
}

/**
 * As createImage, under an id that is known to be nobody's yet, or this request's.
 * @throws RequestError as createImage does
 */
export async function acceptImage(
  services: CreateServices,
  tenant: string,
  request: z.output<typeof imageRequestSchema>,
  id: string,
): Promise<ImageRecord> {
  const settled = await settleImage(services.bucket, tenant, request, id);
  return createJob(
    services,
    images,
    { tenant, id, request: settled, asked: request, totalSteps: settled.steps },
    services.report,
  );
}

/**
 * A request for pictures with every default filled in, and each LoRA's version.
 * @throws RequestError `unknown_model`, `unknown_lora`, `lora_mismatch`, `image_wanted`, `unknown_file`, `file_not_uploaded`, `not_a_picture`
 */
export async function settleImage(
  bucket: Bucket,
  tenant: string,
  request: z.output<typeof imageRequestSchema>,
  id: string,
): Promise<ImageRequest> {
  const { image, mask, image_strength } = request;
  for (const [param, given] of Object.entries({ mask, image_strength })) {
    if (given !== undefined && image === undefined)
      throw new RequestError('image_wanted', `${param} says what to do with an image; want image as well`, param);
  }
  const files = Object.entries({ image, mask }).flatMap(([param, id]) => (id === undefined ? [] : [{ id, param }]));
  const [model, loras] = await Promise.all([
    wantModel(bucket, request.model),
    Promise.all(request.loras.map((lora, i) => settleLora(bucket, tenant, request.model, lora, `loras.${i}.name`))),
    wantPictures(bucket, tenant, files),
  ]);
  return {
    ...request,
    width: request.width ?? model.resolution,
    height: request.height ?? model.resolution,
    steps: request.steps ?? model.default_steps,
    guidance_scale: request.guidance_scale ?? model.default_guidance_scale,
    sampler: request.sampler ?? model.default_sampler,
    seed: request.seed ?? idSeed(id),
    loras,
    ...(image === undefined ? {} : { image_strength: image_strength ?? (mask === undefined ? 0.6 : 1) }),
  };
}

/** The version that a request's LoRA stands for now. */
async function settleLora(
  bucket: Bucket,
  tenant: string,
  model: string,
  { name: reference, ...weights }: z.output<typeof imageRequestSchema>['loras'][number],
  param: string,
): Promise<SettledLora> {
  const { version, owner } = await wantLora(bucket, tenant, reference, model, param);
  const name = owner === tenant ? version.name : `${owner}/${version.name}`;
  return { name, lora_id: version.lora_id, sha256: version.sha256, ...weights };
}
