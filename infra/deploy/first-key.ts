import { hashApiKey, newApiKey } from '@loraloom/functions';
import { type Bucket, keys, putRecord } from '@loraloom/jobs';

/**
 * The first API key of a new cloud, for everything; it is returned and nowhere kept, since the bucket holds hashes.
 * @returns undefined if there is a key already
 */
export async function firstKey(bucket: Bucket, pepper: string): Promise<string | undefined> {
  const { keys: there } = await bucket.list(keys.everyApiKey(), { limit: 1 });
  if (there.length > 0) return undefined;
  const key = await newApiKey();
  const hash = await hashApiKey(pepper, key);
  if (hash === undefined) throw new Error('a new key is not one of ours');
  await putRecord(bucket, keys.apiKey(hash), { tenant: 'main', key_id: 'first' });
  return key;
}
