import { createHash } from 'node:crypto';
import {
  type Bucket,
  createRecord,
  idTime,
  keys,
  type LoraRecord,
  loraRecordSchema,
  type TrainingRecord,
  updateRecord,
} from '@loraloom/jobs';

/** Writes a LoRA's file, reads it back, and makes it the latest version of its name. */
export async function publish(
  bucket: Bucket,
  tenant: string,
  { id, request }: TrainingRecord,
  bytes: Uint8Array,
): Promise<LoraRecord> {
  // The version's id follows from the training's, so that publishing twice writes the same object.
  const loraId = id.replace(/^trn_/, 'lora_');
  const key = keys.loraWeights(tenant, request.name, loraId);
  await bucket.put(key, bytes, { contentType: 'application/octet-stream' });
  const written = await bucket.getBytes(key);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (!written || createHash('sha256').update(written.bytes).digest('hex') !== sha256)
    throw new Error(`${key} reads back other than it was written`);
  const record: LoraRecord = {
    name: request.name,
    object: 'lora',
    lora_id: loraId,
    model: request.model,
    rank: request.rank,
    alpha: request.rank,
    trigger_word: request.trigger_word ?? null,
    training_id: id,
    size_bytes: bytes.length,
    sha256,
    created_at: new Date().toISOString(),
  };
  const recordKey = keys.loraRecord(tenant, request.name);
  if (!(await createRecord(bucket, recordKey, record))) {
    // A training that was asked for earlier does not replace the result of a later one.
    await updateRecord(bucket, recordKey, loraRecordSchema, (other) =>
      other.training_id && idTime(other.training_id) > idTime(id) ? undefined : record,
    );
  }
  return record;
}
