import type { z } from 'zod';
import type { Bucket } from './bucket/port.ts';
import { checkTraining } from './check-training.ts';
import { idSeed, newId } from './ids.ts';
import { type ImageRecord, type ImageRequest, type imageRequestSchema, images } from './image.ts';
import { createJob, type JobServices } from './lifecycle.ts';
import { RequestError } from './request-error.ts';
import { type TrainingRecord, trainings } from './training.ts';
import type { ParsedTrainingRequest } from './training-request.ts';
import { wantFiles, wantLora, wantModel } from './wanted.ts';

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
 * @throws RequestError as settleImage does
 */
export async function createImage(
  services: CreateServices,
  tenant: string,
  request: z.output<typeof imageRequestSchema>,
  id: string = newId('image'),
): Promise<ImageRecord> {
  const settled = await settleImage(services.bucket, tenant, request, id);
  return createJob(services, images, { tenant, id, request: settled, totalSteps: settled.steps }, services.report);
}

/**
 * A request for pictures with every default filled in.
 * @throws RequestError `unknown_model`, `unknown_lora`, `lora_mismatch`, `image_wanted`, `unknown_file`, `file_not_uploaded`
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
  const [model] = await Promise.all([
    wantModel(bucket, request.model),
    wantFiles(bucket, tenant, files, async ({ size_bytes }, key) =>
      (await bucket.head(key))?.size === size_bytes ? true : undefined,
    ),
    ...request.loras.map((lora, i) => wantLora(bucket, tenant, lora.name, request.model, `loras.${i}.name`)),
  ]);
  return {
    ...request,
    width: request.width ?? model.resolution,
    height: request.height ?? model.resolution,
    steps: request.steps ?? model.default_steps,
    guidance_scale: request.guidance_scale ?? model.default_guidance_scale,
    sampler: request.sampler ?? model.default_sampler,
    seed: request.seed ?? idSeed(id),
    ...(image === undefined ? {} : { image_strength: image_strength ?? (mask === undefined ? 0.6 : 1) }),
  };
}
