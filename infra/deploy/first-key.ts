import { createApiKey } from '@loraloom/functions';
import { type Bucket, keys } from '@loraloom/jobs';

/**
 * The first API key of a new cloud, for everything; it is returned and nowhere kept, since the bucket holds hashes.
 * @returns undefined if there is a key already
 */
export async function firstKey(bucket: Bucket, pepper: string): Promise<string | undefined> {
  const { keys: there } = await bucket.list(keys.everyApiKey(), { limit: 1 });
  if (there.length > 0) return undefined;
  const scopes = ['admin', 'images', 'trainings'] as const;
  const { key } = await createApiKey(bucket, pepper, 'main', { name: 'first', scopes: [...scopes], expires_at: null });
  return key;
}
