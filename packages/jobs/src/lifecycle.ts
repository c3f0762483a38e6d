import { z } from 'zod';
import type { Bucket } from './bucket/port.ts';
import { isFinal, type JobKind, type JobMessage, type JobRecord, type Trace } from './job.ts';
import { keys } from './keys.ts';
import { dispatch, type JobQueues } from './outbox.ts';
import { createRecord, listFolders, readRecord, updateRecord } from './record.ts';
import { RequestError } from './request-error.ts';
import { noteEnd } from './webhook.ts';

export interface JobServices {
  bucket: Bucket;
  queues: JobQueues;
  admit?: Admit;
  trace?: Trace;
}

/**
 * Asked about a valid job before anything of it is written; throws to refuse it.
 * @returns takes the admission back, if the id turns out to belong to another request
 */
export type Admit = (job: {
  kind: JobRecord['object'];
  tenant: string;
  id: string;
  request: object;
  /** The request as the caller made it. */
  asked: object;
}) => Promise<() => Promise<void>>;

/**
 * Accepts a job: request, outbox entry, record, message, in this order, so that whatever is in a queue has a record and
 * whatever has a record gets into a queue (the sweep in outbox.ts sees to it if this process dies half-way).
 *
 * May be repeated with the same id and request, and then finishes what the first call left undone.
 * @param job.asked the request as the caller made it, by which a repetition is told from another request; default: `request`,
 *   which has its defaults filled in, and these may be others by then
 * @param job.totalSteps for the progress of a job that has not begun
 * @param job.fields that only its kind has
 * @param report gets the error if the queue could not be reached. The job is accepted all the same: it will be swept.
 * @throws RequestError `id_taken` if the id belongs to another request
 */
export async function createJob<Request extends object, Record extends JobRecord>(
  { bucket, queues, admit, trace }: JobServices,
  kind: JobKind<Request, Record>,
  job: { tenant: string; id: string; request: Request; asked?: object; totalSteps: number; fields?: Partial<Record> },
  report: (error: unknown) => void,
): Promise<Record> {
  const { tenant, id, request, asked = request } = job;
  const withdraw = await admit?.({ kind: kind.name, tenant, id, request, asked });
  if (!(await createRecord(bucket, keys.jobRequest(kind.folder, tenant, id), asked))) {
    await requireSame(bucket, kind, tenant, id, asked).catch(async (error) => {
      await withdraw?.();
      throw error;
    });
  }
  await bucket.put(keys.outboxEntry(kind.folder, tenant, id), new Uint8Array());
  const record = kind.record.parse({
    id,
    object: kind.name,
    status: 'queued',
    cancel_requested: false,
    created_at: new Date().toISOString(),
    started_at: null,
    finished_at: null,
    attempts: 0,
    progress: { step: 0, total_steps: job.totalSteps, loss: null, seconds_left: null },
    error: null,
    trace: trace ?? null,
    request,
    output: null,
    ...job.fields,
  });
  const created = await createRecord(bucket, keys.jobRecord(kind.folder, tenant, id), record);
  await dispatch(bucket, queues, messageOf(kind, tenant, { id, trace: trace ?? null })).catch(report);
  return created ? record : ((await readJob(bucket, kind, tenant, id)) ?? record);
}

/**
 * The job that was accepted under this id before, its message sent once more. What it names may have gone since: whoever
 * repeats a request gets the job all the same.
 * @throws RequestError `id_taken` if it was asked for in other words
 */
export async function repeatJob<Record extends JobRecord>(
  { bucket, queues }: JobServices,
  kind: JobKind<object, Record>,
  { tenant, id, asked }: { tenant: string; id: string; asked: object },
  report: (error: unknown) => void,
): Promise<Record | undefined> {
  const first = await readJob(bucket, kind, tenant, id);
  if (!first) return undefined;
  await requireSame(bucket, kind, tenant, id, asked);
  if (first.status === 'queued') await dispatch(bucket, queues, messageOf(kind, tenant, first)).catch(report);
  return first;
}

function messageOf(kind: JobKind<object, JobRecord>, tenant: string, { id, trace }: Pick<JobRecord, 'id' | 'trace'>): JobMessage {
  return { kind: kind.name, tenant, id, ...(trace ? { trace } : {}) };
}

async function requireSame(bucket: Bucket, kind: JobKind<object, JobRecord>, tenant: string, id: string, asked: object) {
  const first = await readRecord(bucket, keys.jobRequest(kind.folder, tenant, id), z.unknown());
  if (JSON.stringify(first?.record) === JSON.stringify(asked)) return;
  throw new RequestError('id_taken', `${id} was used for another request; want a new id, or the same request`, 'id');
}

export async function readJob<Record extends JobRecord>(
  bucket: Bucket,
  kind: JobKind<object, Record>,
  tenant: string,
  id: string,
): Promise<Record | undefined> {
  return (await readRecord(bucket, keys.jobRecord(kind.folder, tenant, id), kind.record))?.record;
}

/** A page of a tenant's jobs, newest first (see ids.ts). `next` is the `after` of the next page. */
export async function listJobs<Record extends JobRecord>(
  bucket: Bucket,
  kind: JobKind<object, Record>,
  tenant: string,
  page: { after?: string | undefined; limit: number },
): Promise<{ jobs: Record[]; next: string | undefined }> {
  const { names, next } = await listFolders(bucket, keys.jobs(kind.folder, tenant), page);
  const found = await Promise.all(names.map((id) => readJob(bucket, kind, tenant, id)));
  // A folder without a record belongs to a request that died before it was accepted.
  return { jobs: found.filter((job) => job !== undefined), next };
}

/**
 * Cancels a job: a queued one at once, a running one by asking its worker. Repeating it is no error.
 * @throws RequestError `already_finished` if the job has succeeded or failed
 * @throws NoSuchRecord
 */
export async function cancelJob<Record extends JobRecord>(
  bucket: Bucket,
  kind: JobKind<object, Record>,
  tenant: string,
  id: string,
): Promise<Record> {
  const cancel = (job: Record): Record | undefined => {
    if (job.status === 'canceled' || job.cancel_requested) return undefined;
    if (isFinal(job.status)) throw new RequestError('already_finished', `${id} has already ${job.status}`, 'id');
    if (job.status === 'running') return { ...job, cancel_requested: true };
    return { ...job, status: 'canceled', cancel_requested: true, finished_at: new Date().toISOString() };
  };
  return updateRecord(bucket, keys.jobRecord(kind.folder, tenant, id), kind.record, cancel, noteEnd(bucket, tenant));
}
