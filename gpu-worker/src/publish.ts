import { createHash } from 'node:crypto';
import { type Bucket, keys, type LoraVersion, publishLora, type TrainingRecord } from '@loraloom/jobs';

/** Writes a LoRA's files, reads them back, and adds them to its name as a version. */
export async function publish(
  bucket: Bucket,
  tenant: string,
  { id, request }: TrainingRecord,
  { kohya, diffusers }: { kohya: Uint8Array; diffusers: Uint8Array },
): Promise<LoraVersion> {
  // The version's id follows from the training's, so that publishing twice writes the same objects.
  const loraId = id.replace(/^trn_/, 'lora_');
  const whole = await store(bucket, keys.loraWeights(tenant, request.name, loraId), kohya);
  const other = await store(bucket, keys.loraDiffusers(tenant, request.name, loraId), diffusers);
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
    ...whole,
    diffusers: other,
    created_at: new Date().toISOString(),
  };
  await publishLora(bucket, tenant, version);
  return version;
}

async function store(bucket: Bucket, key: string, bytes: Uint8Array): Promise<{ size_bytes: number; sha256: string }> {
  await bucket.put(key, bytes, { contentType: 'application/octet-stream' });
  const written = await bucket.getBytes(key);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (!written || createHash('sha256').update(written.bytes).digest('hex') !== sha256)
    throw new Error(`${key} reads back other than it was written`);
  return { size_bytes: bytes.length, sha256 };
}
