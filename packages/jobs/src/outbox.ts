import { z } from 'zod';
import type { Bucket } from './bucket/port.ts';
import { idTime } from './ids.ts';
import { type JobMessage, jobStatusSchema, messageSchema, traceSchema } from './job.ts';
import { type JobFolder, keys } from './keys.ts';
import type { Queue } from './queue/port.ts';
import { readRecord } from './record.ts';

export type JobQueues = Record<JobFolder, Queue>;

const folders = { training: 'trainings', image: 'images' } as const;

/** Sends a job's message, then takes its entry out of the outbox. */
export async function dispatch(bucket: Bucket, queues: JobQueues, message: JobMessage): Promise<void> {
  const folder = folders[message.kind];
  await queues[folder].send(JSON.stringify(message), { group: message.tenant });
  await bucket.delete(keys.outboxEntry(folder, message.tenant, message.id));
}

/**
 * Sends what a process wrote down but did not live to send: a job gets an (empty) entry in the outbox before its record
 * and loses it after its message, so an entry older than `olderThanSeconds` (longer than any request may take) is a job
 * that nobody may have heard of. The outbox is empty nearly always, so a sweep costs one listing, however many jobs
 * there are. Workers call it at their start and every few minutes; two at once, or a sweep beside a slow sender, send
 * a message twice, which is what queues do anyway.
 * @returns how many messages were sent
 * @throws AggregateError, after all entries were tried, of what went wrong with some
 */
export async function sweepOutbox(
  bucket: Bucket,
  queues: JobQueues,
  { olderThanSeconds = 60, now = Date.now() }: { olderThanSeconds?: number; now?: number } = {},
): Promise<number> {
  let sent = 0;
  const errors: unknown[] = [];
  let after: string | undefined;
  do {
    const page = await bucket.list(keys.outbox(), after === undefined ? {} : { after });
    for (const { key } of page.keys) {
      const message = messageOf(key);
      if (!message || now - idTime(message.id) < olderThanSeconds * 1000) continue;
      try {
        if (await sendAgain(bucket, queues, message)) sent++;
        else await bucket.delete(key);
      } catch (error) {
        errors.push(error);
      }
    }
    after = page.next;
  } while (after !== undefined);
  if (errors.length > 0) throw new AggregateError(errors, `${errors.length} entries of the outbox could not be swept`);
  return sent;
}

const sweptSchema = z.object({ status: jobStatusSchema, trace: traceSchema.nullable().default(null) });

/** False if there is nothing to send: the job was never accepted (its request died before the record), or has begun. */
async function sendAgain(bucket: Bucket, queues: JobQueues, message: JobMessage): Promise<boolean> {
  const key = keys.jobRecord(folders[message.kind], message.tenant, message.id);
  const job = await readRecord(bucket, key, sweptSchema);
  if (job?.record.status !== 'queued') return false;
  const { trace } = job.record;
  await dispatch(bucket, queues, { ...message, ...(trace ? { trace } : {}) });
  return true;
}

/** The message that an entry's key stands for; see keys.ts. */
function messageOf(key: string): JobMessage | undefined {
  const [, folder, tenant, id] = /^outbox\/(trainings|images)\/([^/]+)\/([^/]+)$/.exec(key) ?? [];
  return messageSchema.safeParse({ kind: folder === 'trainings' ? 'training' : 'image', tenant, id }).data;
}
