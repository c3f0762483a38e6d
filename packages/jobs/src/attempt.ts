import type { Bucket } from './bucket/port.ts';
import { deadlinesSchema, isFinal, type JobError, type JobKind, type JobRecord } from './job.ts';
import { keys } from './keys.ts';
import { updateRecord } from './record.ts';
import { noteEnd } from './webhook.ts';

/** Another worker has begun a later attempt (this one's message expired meanwhile), or the job has ended. */
export class AttemptLost extends Error {
  constructor(id: string, attempt: number) {
    super(`attempt ${attempt} at ${id} is no longer the current one`);
    this.name = 'AttemptLost';
  }
}

/**
 * Begins an attempt at a job that was received from the queue. The returned record says what to do: `running` = work,
 * as attempt number `attempts`; anything else is final (a cancel that was asked for, or a deadline that has passed, is carried
 * out here): nothing to do.
 * @throws NoSuchRecord
 */
export async function beginAttempt<Record extends JobRecord>(
  bucket: Bucket,
  kind: JobKind<object, Record>,
  tenant: string,
  id: string,
): Promise<Record> {
  const begin = (job: Record): Record | undefined => {
    if (isFinal(job.status)) return undefined;
    const now = new Date().toISOString();
    if (job.cancel_requested) return { ...job, status: 'canceled', finished_at: now };
    const { start_deadline_seconds: most } = deadlinesSchema.parse(job.request);
    if (job.status === 'queued' && most !== undefined && Date.parse(now) > Date.parse(job.created_at) + 1000 * most) {
      const message = `no worker was free within ${most} seconds`;
      return {
        ...job,
        status: 'failed',
        error: { code: 'start_deadline_exceeded', message, param: 'start_deadline_seconds' },
        finished_at: now,
      };
    }
    if ((runMillisecondsLeft(job) ?? 1) <= 0)
      return { ...job, status: 'failed', error: runDeadlineExceeded(job), finished_at: now };
    return { ...job, status: 'running', started_at: job.started_at ?? now, attempts: job.attempts + 1 };
  };
  return updateRecord(bucket, keys.jobRecord(kind.folder, tenant, id), kind.record, begin, noteEnd(bucket, tenant));
}

/**
 * Changes the record on behalf of one attempt: progress, or the end. The attempt number fences off a worker that was
 * thought dead and wakes up: outputs lie under keys that the job decides, so writing them twice is harmless, and this
 * is what makes a job complete at most once.
 * @throws AttemptLost if the attempt is not the current one any more; stop working
 */
export async function updateAttempt<Record extends JobRecord>(
  bucket: Bucket,
  kind: JobKind<object, Record>,
  tenant: string,
  begun: { id: string; attempts: number },
  change: (job: Record) => Record,
): Promise<Record> {
  const fenced = (job: Record): Record => {
    // Fewer attempts: an answer from before this one began. Writing over it fails, and then it is read anew.
    if (job.attempts > begun.attempts || isFinal(job.status)) throw new AttemptLost(begun.id, begun.attempts);
    return change(job);
  };
  return updateRecord(bucket, keys.jobRecord(kind.folder, tenant, begun.id), kind.record, fenced, noteEnd(bucket, tenant));
}

/** Milliseconds until a job that was begun must have ended; undefined if it may take as long as it takes. */
export function runMillisecondsLeft({ request, started_at }: JobRecord): number | undefined {
  const { run_deadline_seconds: most } = deadlinesSchema.parse(request);
  if (most === undefined || started_at === null) return undefined;
  return Date.parse(started_at) + 1000 * most - Date.now();
}

/** What a job fails with whose time is over. */
export function runDeadlineExceeded({ request }: JobRecord): JobError {
  const { run_deadline_seconds: most } = deadlinesSchema.parse(request);
  return {
    code: 'run_deadline_exceeded',
    message: `it had not ended ${most} seconds after it was begun`,
    param: 'run_deadline_seconds',
  };
}
