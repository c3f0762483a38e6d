import type { z } from 'zod';
import type { Bucket } from './bucket/port.ts';
import type { CreateServices } from './create.ts';
import { newId } from './ids.ts';
import { type ImageRecord, type ImageRequest, images, type reproductionSchema, type SettledLora } from './image.ts';
import { createJob, repeatJob } from './lifecycle.ts';
import { parseLoraReference } from './lora.ts';
import { modelDigest } from './model.ts';
import { readLoraName, readLoraVersion } from './registry.ts';
import { RequestError } from './request-error.ts';
import { wantModel, wantPictures } from './wanted.ts';

/**
 * Accepts a request for a picture that was made before, with the very files that its receipt names.
 * @throws RequestError `unknown_model`, `unknown_file`, and `digest_gone` if a base or a LoRA with the receipt's digest is no longer there
 */
export async function reproduceImage(
  services: CreateServices,
  tenant: string,
  asked: z.output<typeof reproductionSchema>,
  givenId?: string,
): Promise<ImageRecord> {
  const repeated = givenId && (await repeatJob(services, images, { tenant, id: givenId, asked }, services.report));
  if (repeated) return repeated;
  const { model, model_digest, image, engine_version: _, loras: used, ...same } = asked.receipt;
  const files = [
    ...(image ? [{ id: image.file_id, param: 'receipt.image.file_id' }] : []),
    ...(image?.mask_file_id ? [{ id: image.mask_file_id, param: 'receipt.image.mask_file_id' }] : []),
  ];
  const [base, loras] = await Promise.all([
    wantModel(services.bucket, model),
    Promise.all(used.map((lora, i) => wantVersion(services.bucket, tenant, lora, `receipt.loras.${i}`))),
    wantPictures(services.bucket, tenant, files),
  ]);
  if ((await modelDigest(base)) !== model_digest) {
    const message = `${model} has other files than the picture was made with; a base with the digest ${model_digest} wanted`;
    throw new RequestError('digest_gone', message, 'receipt.model_digest');
  }
  const request: ImageRequest = {
    ...same,
    model,
    n: 1,
    loras,
    ...(image ? { image: image.file_id, image_strength: image.strength } : {}),
    ...(image?.mask_file_id ? { mask: image.mask_file_id } : {}),
  };
  const id = givenId ?? newId('image');
  return createJob(services, images, { tenant, id, request, asked, totalSteps: request.steps }, services.report);
}

/** The version of a receipt; of a tenant's own also where the name was deleted since. */
async function wantVersion(
  bucket: Bucket,
  tenant: string,
  { name: reference, lora_id, digest, ...weights }: z.output<typeof reproductionSchema>['receipt']['loras'][number],
  param: string,
): Promise<SettledLora> {
  const { owner = tenant, name } = parseLoraReference(reference);
  const shared = owner === tenant || ((await readLoraName(bucket, owner, name))?.shared_with.includes(tenant) ?? false);
  const version = shared ? await readLoraVersion(bucket, owner, name, lora_id) : undefined;
  if (version?.sha256 !== digest) {
    const message = `the LoRA ${reference}, version ${lora_id}, with the digest ${digest} is not there (any more)`;
    throw new RequestError('digest_gone', message, `${param}.digest`);
  }
  return { name: reference, lora_id, sha256: digest, ...weights };
}
