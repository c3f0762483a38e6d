import { z } from 'zod';
import { type Bucket, PreconditionFailed } from './bucket/port.ts';
import { auditIdSchema, idTime } from './ids.ts';
import { keys, tenantSchema } from './keys.ts';

/** What a request asked for, as far as somebody may want to know of it later. */
export const auditedSchema = z.object({
  model: z.string().optional(),
  loras: z.array(z.object({ name: z.string(), weight: z.number().optional() })).optional(),
  prompt: z.string().nullable().optional().meta({ description: 'null where prompts are redacted' }),
  negative_prompt: z.string().nullable().optional(),
  job: z.string().optional().meta({ description: 'Id of what was made' }),
  cost: z.object({ pictures: z.int(), training_steps: z.int() }).optional().meta({ description: 'Charged to the quota' }),
});
export type Audited = z.infer<typeof auditedSchema>;

/** Who asked for what, when, and how it was answered. */
export const auditEntrySchema = auditedSchema
  .extend({
    id: auditIdSchema,
    object: z.literal('audit'),
    created_at: z.iso.datetime(),
    request_id: z.string(),
    caller: z.string().meta({ description: 'Id of the key or token, or the user of a JWT' }),
    ip: z.string().nullable(),
    method: z.string(),
    path: z.string(),
    status: z.int(),
    code: z.string().nullable().meta({ description: 'Of the error that was answered' }),
    milliseconds: z.int(),
  })
  .meta({ id: 'Audit' });
export type AuditEntry = z.infer<typeof auditEntrySchema>;

const daySchema = z.iso.date();
/** The day (UTC) that an entry belongs to. */
export const auditDay = (id: string) => new Date(idTime(id)).toISOString().slice(0, 10);

/**
 * Keeps an entry: S3 cannot append, so each lies by itself until `gatherAudit` puts it into its day's file.
 */
export async function putAudit(bucket: Bucket, tenant: string, entry: AuditEntry): Promise<void> {
  await bucket.put(keys.auditEntry(tenant, auditDay(entry.id), entry.id), encode([entry]), { contentType: ndjson });
}

/**
 * A page of a day's entries, newest first. `next` is the `after` of the next page.
 * @param day as `2026-11-25`, in UTC
 */
export async function listAudit(
  bucket: Bucket,
  tenant: string,
  day: string,
  { after = '', limit }: { after?: string | undefined; limit: number },
): Promise<{ data: AuditEntry[]; next: string | undefined }> {
  // The single ones first: whoever gathers them writes the day's file before it removes them.
  const single = await readEntries(bucket, await entriesOf(bucket, tenant, day, limit + 1, after));
  const gathered = (await readDay(bucket, tenant, day))?.entries ?? [];
  const behind = merged(gathered, single).filter(({ id }) => id > after);
  return { data: behind.slice(0, limit), next: behind.length > limit ? behind[limit - 1]?.id : undefined };
}

/** A day's file is written anew with each gathering, so it waits for this many entries, or the day's end. */
const worthGathering = 1000;
/** How long after midnight a request of the day before may still end. */
const lateMilliseconds = 10 * 60 * 1000;

/**
 * Puts single entries into their days' files, newline-delimited JSON, newest first. Killed anywhere, or run twice at once, it
 * loses nothing and doubles nothing.
 * @returns how many entries it gathered
 */
export async function gatherAudit(bucket: Bucket, now: number = Date.now()): Promise<number> {
  let count = 0;
  for (const tenant of await foldersOf(bucket, keys.auditTenants(), tenantSchema)) {
    for (const day of await foldersOf(bucket, keys.auditDays(tenant), daySchema)) {
      const over = now - Date.parse(`${day}T00:00:00Z`) > 24 * 60 * 60 * 1000 + lateMilliseconds;
      // As many at a time as fit into a small process beside the day's file.
      for (let found: string[]; ; count += found.length) {
        found = await entriesOf(bucket, tenant, day, worthGathering);
        if (found.length === 0 || (!over && found.length < worthGathering)) break;
        if (!(await gather(bucket, tenant, day, found))) break;
      }
    }
  }
  return count;
}

/** False if another process was quicker: it has what this one wanted to add, or the next gathering will. */
async function gather(bucket: Bucket, tenant: string, day: string, found: readonly string[]): Promise<boolean> {
  const before = await readDay(bucket, tenant, day);
  const entries = merged(before?.entries ?? [], await readEntries(bucket, found));
  const when = before ? { ifMatch: before.etag } : { ifNoneMatch: '*' as const };
  try {
    await bucket.put(keys.auditDay(tenant, day), encode(entries), { ...when, contentType: ndjson });
  } catch (error) {
    if (error instanceof PreconditionFailed) return false;
    throw error;
  }
  await each(found, (key) => bucket.delete(key));
  return true;
}

const ndjson = 'application/x-ndjson';
const encode = (entries: readonly AuditEntry[]) =>
  new TextEncoder().encode(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));

function parse(bytes: Uint8Array): AuditEntry[] {
  const lines = new TextDecoder().decode(bytes).split('\n');
  return lines.filter((line) => line !== '').map((line) => auditEntrySchema.parse(JSON.parse(line)));
}

/** Newest first, as ids sort; each once. */
function merged(...lists: AuditEntry[][]): AuditEntry[] {
  const byId = new Map(lists.flat().map((entry) => [entry.id, entry]));
  return [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

async function readDay(bucket: Bucket, tenant: string, day: string) {
  const found = await bucket.getBytes(keys.auditDay(tenant, day));
  return found && { entries: parse(found.bytes), etag: found.etag };
}

/** Keys of a day's single entries, at most so many. */
async function entriesOf(bucket: Bucket, tenant: string, day: string, limit: number, after = ''): Promise<string[]> {
  const prefix = keys.auditEntries(tenant, day);
  const found: string[] = [];
  let next: string | undefined = after === '' ? undefined : keys.auditEntry(tenant, day, after);
  do {
    const page = await bucket.list(prefix, { limit: Math.min(1000, limit - found.length), ...(next ? { after: next } : {}) });
    found.push(...page.keys.map(({ key }) => key));
    next = page.next;
  } while (next !== undefined && found.length < limit);
  return found;
}

/** Those that are still there. */
async function readEntries(bucket: Bucket, found: readonly string[]): Promise<AuditEntry[]> {
  const read = await each(found, (key) => bucket.getBytes(key));
  return read.flatMap((object) => (object ? parse(object.bytes) : []));
}

async function foldersOf<T>(bucket: Bucket, prefix: string, schema: z.ZodType<T>): Promise<T[]> {
  const found: T[] = [];
  let after: string | undefined;
  do {
    const page = await bucket.list(prefix, { delimiter: '/', ...(after === undefined ? {} : { after }) });
    found.push(...page.prefixes.map((folder) => schema.parse(folder.slice(prefix.length, -1))));
    after = page.next;
  } while (after !== undefined);
  return found;
}

/** So many objects are asked for at a time: more would exhaust the sockets of a small function. */
const atOnce = 32;

async function each<T, R>(items: readonly T[], act: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let i = 0; i < items.length; i += atOnce) results.push(...(await Promise.all(items.slice(i, i + atOnce).map(act))));
  return results;
}
