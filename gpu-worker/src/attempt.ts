import { setTimeout as sleep } from 'node:timers/promises';
import { InputError } from '@loraloom/engine';
import {
  AttemptLost,
  beginAttempt,
  isFinal,
  type JobError,
  type JobKind,
  type JobRecord,
  type JobStatus,
  NoSuchRecord,
  type Progress,
  runDeadlineExceeded,
  runMillisecondsLeft,
  tellEnd,
  updateAttempt,
} from '@loraloom/jobs';
import { Failure, isOutOfMemory } from './failure.ts';
import type { Services } from './services.ts';

/** One attempt at a job: its record as it was begun, and what may be done to it. */
export interface Attempt<Record extends JobRecord> {
  tenant: string;
  record: Record;
  /** Aborts when the worker must stop, the job was canceled, or its time is over. */
  signal: AbortSignal;
  /** Writes how far the job has come, at most once a second, and looks whether it was canceled. */
  report(progress: Progress): Promise<void>;
  /** Changes the record at once, for what must not be lost. @throws AttemptLost if the attempt is not the current one any more */
  amend(change: (record: Record) => Record): Promise<void>;
}

/** Thrown into a job that was canceled while it ran. */
class Canceled extends Error {}

/** Thrown into a job whose time is over. */
class Late extends Error {}

/**
 * Carries a received job through: begins an attempt, runs `work`, writes how it ended. Returning means that the message is done
 * with; throwing, that the job is left to be tried again.
 * @param job `alone`: nothing else is in this worker's memory
 * @param work returns the job's output; throws Failure or InputError where trying again would not help
 */
export async function attempt<Record extends JobRecord>(
  { bucket, queues, log, metrics }: Services,
  kind: JobKind<object, Record>,
  { tenant, id, alone = false }: { tenant: string; id: string; alone?: boolean },
  stop: AbortSignal,
  work: (attempt: Attempt<Record>) => Promise<Pick<Record, 'output' | 'progress'>>,
): Promise<void> {
  const begun = await beginAttempt(bucket, kind, tenant, id).catch((error) => {
    // A message whose job was deleted has nothing left to do.
    if (error instanceof NoSuchRecord) return undefined;
    throw error;
  });
  if (!begun) return;
  // A message that cannot be sent now is in the outbox.
  const tell = (job: Record) =>
    tellEnd(bucket, queues.webhooks, tenant, job).catch((error) =>
      log({ level: 'warn', message: 'end not yet told', id, error: String(error) }),
    );
  await tell(begun);
  if (isFinal(begun.status)) return;
  const about = { kind: kind.name, tenant, id, attempt: begun.attempts, ...begun.trace };
  log({ level: 'info', message: 'job begun', ...about });
  const startedAt = Date.parse(begun.started_at ?? begun.created_at);
  if (begun.attempts === 1) metrics?.begun(kind.name, (startedAt - Date.parse(begun.created_at)) / 1000);
  const told = ({ status, error }: Record) => {
    const seconds = (Date.now() - startedAt) / 1000;
    log({ level: 'info', message: 'job ended', ...about, status, code: error?.code ?? null, seconds });
    metrics?.ended(kind.name, status, seconds);
  };
  let steps = 0;
  const halted = new AbortController();
  const left = runMillisecondsLeft(begun);
  const clock = left === undefined ? undefined : setTimeout(() => halted.abort(new Late()), left);
  let reported = 0;
  let latest: Progress | undefined;
  const update = async (change: (job: Record) => Record) => {
    const job = await updateAttempt(bucket, kind, tenant, begun, change);
    await tell(job);
    return job;
  };
  const end = (change: { status: JobStatus; error?: JobError }) =>
    update((job) => ({ ...job, ...change, finished_at: new Date().toISOString() })).then(told);
  try {
    const done = await work({
      tenant,
      record: begun,
      signal: AbortSignal.any([stop, halted.signal]),
      async report(progress) {
        // The engine computes on this thread: give heartbeats and the other queue their turn between two steps.
        await sleep(0);
        metrics?.steps(kind.name, Math.max(0, progress.step - steps));
        steps = Math.max(steps, progress.step);
        if (Date.now() - reported < 1000) return;
        reported = Date.now();
        // Pictures of one job report side by side: a write that comes late tells what is known by then.
        latest = progress;
        const job = await update((current) => ({ ...current, progress: latest ?? progress })).catch((error) => {
          if (error instanceof AttemptLost) throw error;
          // Hours of work are not thrown away because nobody could be told of them for a moment.
          log({ level: 'warn', message: 'progress not written', id, error: String(error) });
        });
        if (job?.cancel_requested) halted.abort(new Canceled());
      },
      async amend(change) {
        await update(change);
      },
    });
    const ended = await update((job) =>
      job.cancel_requested
        ? { ...job, status: 'canceled', finished_at: new Date().toISOString() }
        : { ...job, ...done, status: 'succeeded', finished_at: new Date().toISOString() },
    );
    told(ended);
  } catch (error) {
    if (error instanceof AttemptLost) return;
    if (halted.signal.aborted && !stop.aborted) {
      const late = halted.signal.reason instanceof Late;
      await endQuietly(end(late ? { status: 'failed', error: runDeadlineExceeded(begun) } : { status: 'canceled' }));
    } else if (error instanceof Failure || error instanceof InputError) {
      const { param, refusal } = error instanceof Failure ? error : { param: null, refusal: undefined };
      const { code, message } = error;
      await endQuietly(end({ status: 'failed', error: { code, message, param, ...(refusal ? { refusal } : {}) } }));
    } else if (alone && !stop.aborted && isOutOfMemory(error)) {
      await endQuietly(end({ status: 'failed', error: { code: 'out_of_memory', message: outOfMemory, param: null } }));
    } else throw error;
  } finally {
    clearTimeout(clock);
  }
}

const outOfMemory =
  'this needs more memory than the worker has, though it ran alone; want fewer or smaller pictures, or a smaller batch';

/** Someone else may have ended the job, or begun it anew, meanwhile: then theirs is what counts. */
async function endQuietly(ending: Promise<unknown>): Promise<void> {
  await ending.catch((error) => {
    if (!(error instanceof AttemptLost)) throw error;
  });
}
