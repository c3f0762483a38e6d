import { z } from 'zod';
import type { Bucket } from './bucket/port.ts';
import { sha256Hex } from './digest.ts';
import { type IdKind, newId } from './ids.ts';
import { type JobFolder, keys } from './keys.ts';
import { createRecord, readRecord } from './record.ts';

/** A kind of thing whose making may be repeated. */
export type Repeatable = { name: IdKind; folder: JobFolder | 'batches'; id: z.ZodType<string> };

/**
 * The id of the job that a caller's own key stands for: the same for the same key, of a tenant and a kind, whoever asks
 * first and however often. It is written before the job, so that a caller who never saw the answer may send all of it again.
 */
export async function idOfKey(bucket: Bucket, kind: Repeatable, tenant: string, key: string): Promise<string> {
  const place = keys.idempotency(tenant, kind.folder, await sha256Hex(new TextEncoder().encode(key)));
  const id = newId(kind.name);
  if (await createRecord(bucket, place, { id })) return id;
  const first = await readRecord(bucket, place, z.object({ id: kind.id }));
  // It may have expired between the two.
  return first?.record.id ?? id;
}
