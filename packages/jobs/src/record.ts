import { z } from 'zod';
import { type Bucket, PreconditionFailed } from './bucket/port.ts';
import { isFinal, jobStatusSchema } from './job.ts';

export interface Stored<T> {
  record: T;
  etag: string;
}

/** There is no record at a key where one was to be changed. */
export class NoSuchRecord extends Error {
  constructor(key: string) {
    super(`no record at ${key}`);
    this.name = 'NoSuchRecord';
  }
}

/** A change that would take a job out of a final state, or back in time: a fault of ours. */
export class BadTransition extends Error {
  constructor(key: string, what: string) {
    super(`${key}: ${what}`);
    this.name = 'BadTransition';
  }
}

const text = new TextDecoder();
const bytes = new TextEncoder();

/** The record at `key`, parsed. Throws a ZodError if what lies there is not such a record. */
export async function readRecord<T>(bucket: Bucket, key: string, schema: z.ZodType<T>): Promise<Stored<T> | undefined> {
  const found = await bucket.getBytes(key);
  return found && { record: schema.parse(JSON.parse(text.decode(found.bytes))), etag: found.etag };
}

/** Writes a record where there is none. False if there is one already; that one stays. */
export async function createRecord(bucket: Bucket, key: string, record: object): Promise<boolean> {
  try {
    await write(bucket, key, record, { ifNoneMatch: '*' });
    return true;
  } catch (error) {
    if (error instanceof PreconditionFailed) return false;
    throw error;
  }
}

/**
 * Changes a record by compare-and-swap: reads it, applies `change`, writes it back if nobody else wrote meanwhile, else
 * begins again with what the other one wrote. So `change` may run several times, and is where the caller decides on the
 * record as it is *now*. It returns the new record, or undefined (or the same object) to leave all as it is.
 * @param before is awaited with the new record before it is written, as often as that is tried
 * @returns the record as it lies in the bucket afterwards
 */
export async function updateRecord<T extends object>(
  bucket: Bucket,
  key: string,
  schema: z.ZodType<T>,
  change: (record: T) => T | undefined,
  before?: (changed: T) => Promise<void>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const stored = await readRecord(bucket, key, schema);
    if (!stored) throw new NoSuchRecord(key);
    const changed = change(stored.record);
    if (!changed || changed === stored.record) return stored.record;
    refuseStepBack(key, stored.record, changed);
    await before?.(changed);
    try {
      await write(bucket, key, schema.parse(changed), { ifMatch: stored.etag });
      return changed;
    } catch (error) {
      if (!(error instanceof PreconditionFailed) || attempt === 20) throw error;
      // Someone else was quicker. The wait is random so that two writers do not keep meeting.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(5 * 2 ** attempt, 500)));
    }
  }
}

/** Replaces whatever record lies at `key`, or writes the first one. */
export async function putRecord(bucket: Bucket, key: string, record: object): Promise<void> {
  await write(bucket, key, record, {});
}

async function write(bucket: Bucket, key: string, record: object, when: { ifMatch?: string; ifNoneMatch?: '*' }) {
  await bucket.put(key, bytes.encode(JSON.stringify(record)), { ...when, contentType: 'application/json' });
}

const jobStateSchema = z.object({
  id: z.string(),
  status: jobStatusSchema,
  cancel_requested: z.boolean(),
  attempts: z.number(),
});

/** Job records only ever go forward; records of other kinds have no state. */
function refuseStepBack(key: string, before: object, after: object) {
  const was = jobStateSchema.safeParse(before).data;
  if (!was) return;
  const is = jobStateSchema.parse(after);
  if (was.id !== is.id) throw new BadTransition(key, `id ${was.id} → ${is.id}`);
  if (isFinal(was.status)) throw new BadTransition(key, `${was.status} is final, cannot change it (to ${is.status})`);
  if (was.status === 'running' && is.status === 'queued') throw new BadTransition(key, 'running → queued');
  if (is.attempts < was.attempts) throw new BadTransition(key, `attempts ${was.attempts} → ${is.attempts}`);
  if (was.cancel_requested && !is.cancel_requested) throw new BadTransition(key, 'cancel_requested true → false');
}

/** A page of the folder names directly below `prefix`, ascending. `next` is the `after` of the next page. */
export async function listFolders(
  bucket: Bucket,
  prefix: string,
  page: { after?: string | undefined; limit: number },
): Promise<{ names: string[]; next: string | undefined }> {
  // '0' follows '/' in ASCII: everything inside the folder `after` lies before it, the next folder behind it.
  const after = page.after === undefined ? {} : { after: `${prefix}${page.after}0` };
  const { prefixes, next } = await bucket.list(prefix, { ...after, limit: page.limit, delimiter: '/' });
  const names = prefixes.map((folder) => folder.slice(prefix.length, -1));
  return { names, next: next === undefined ? undefined : names.at(-1) };
}
