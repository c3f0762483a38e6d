import type { Bucket } from './bucket/port.ts';
import { images } from './image.ts';
import { isFinal, type JobKind, type JobMessage, type JobRecord, messageSchema } from './job.ts';
import { keys } from './keys.ts';
import { NoSuchRecord, updateRecord } from './record.ts';
import { trainings } from './training.ts';
import { noteEnd } from './webhook.ts';

/**
 * Ends the job of a message that was delivered too often: nobody could finish it, so it has failed, or was canceled if that
 * was asked for. A job that has ended, or was deleted, stays as it is, so this may be repeated.
 * @param body the message's, as it lies among the dead letters
 * @returns what it was about; undefined if it is no job's message, which helps nobody if it is kept
 */
export async function buryJob(bucket: Bucket, body: string): Promise<JobMessage | undefined> {
  const message = parseMessage(body);
  if (message?.kind === 'training') await end(bucket, trainings, message);
  if (message?.kind === 'image') await end(bucket, images, message);
  return message;
}

async function end<Record extends JobRecord>(bucket: Bucket, kind: JobKind<object, Record>, { tenant, id }: JobMessage) {
  try {
    const bury = (job: Record): Record | undefined => {
      if (isFinal(job.status)) return undefined;
      const finished_at = new Date().toISOString();
      if (job.cancel_requested) return { ...job, status: 'canceled', finished_at };
      return { ...job, status: 'failed', error: { code: 'worker_failed', message: reason(job), param: null }, finished_at };
    };
    // Whether it is told is up to the sweep of the outbox: what buries has no queue to send to.
    await updateRecord(bucket, keys.jobRecord(kind.folder, tenant, id), kind.record, bury, noteEnd(bucket, tenant));
  } catch (error) {
    if (!(error instanceof NoSuchRecord)) throw error;
  }
}

function reason({ attempts }: JobRecord): string {
  const what = attempts === 0 ? 'could not even begin this job' : `began this job ${attempts} times and never came to its end`;
  return `the worker ${what}: a file in it may crash the worker, or the memory not suffice; it is logged`;
}

function parseMessage(body: string): JobMessage | undefined {
  try {
    return messageSchema.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined;
  }
}
