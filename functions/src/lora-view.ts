import { type Bucket, coverKey, type LoraName, type LoraRecord, type LoraVersion } from '@loraloom/jobs';

export const loraUrlSeconds = 3600;

/** A version with what is said of its name. */
export async function viewOfLora(
  bucket: Bucket,
  tenant: string,
  { name, trigger_words, license, cover, shared_with }: LoraName,
  version: LoraVersion,
): Promise<LoraRecord> {
  const cover_url = cover && (await bucket.presignGet(coverKey(tenant, name, cover), { expiresSeconds: loraUrlSeconds }));
  return { ...version, trigger_words, license, cover, cover_url, shared_with };
}
