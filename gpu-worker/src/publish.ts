import { createHash } from 'node:crypto';
import { type Bucket, keys, type LoraVersion, publishLora, type TrainingRecord } from '@loraloom/jobs';

/** Writes a LoRA's file, reads it back, and adds it to its name as a version. */
export async function publish(
  bucket: Bucket,
  tenant: string,
  { id, request }: TrainingRecord,
  bytes: Uint8Array,
): Promise<LoraVersion> {
  // The version's id follows from the training's, so that publishing twice writes the same object.
  const loraId = id.replace(/^trn_/, 'lora_');
  const key = keys.loraWeights(tenant, request.name, loraId);
  await bucket.put(key, bytes, { contentType: 'application/octet-stream' });
  const written = await bucket.getBytes(key);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (!written || createHash('sha256').update(written.bytes).digest('hex') !== sha256)
    throw new Error(`${key} reads back other than it was written`);
  const version: LoraVersion = {
    name: request.name,
    object: 'lora',
    lora_id: loraId,
    model: request.model,
    rank: request.rank,
    alpha: request.rank,
    trigger_words: request.trigger_word ? [request.trigger_word] : [],
    license: null,
    training_id: id,
    size_bytes: bytes.length,
    sha256,
    created_at: new Date().toISOString(),
  };
  await publishLora(bucket, tenant, version);
  return version;
}
