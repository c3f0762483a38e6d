import { z } from 'zod';
import type { Bucket } from './bucket/port.ts';
import { idTime } from './ids.ts';
import { type JobMessage, jobStatusSchema } from './job.ts';
import { type JobFolder, keys } from './keys.ts';
import type { Queue } from './queue/port.ts';
import { readRecord } from './record.ts';

export type JobQueues = Record<JobFolder, Queue>;

/** Sends a job's message, then takes its entry out of the outbox. */
export async function dispatch(bucket: Bucket, queues: JobQueues, message: JobMessage, folder: JobFolder): Promise<void> {
  await queues[folder].send(JSON.stringify(message), { group: message.tenant });
  await bucket.delete(keys.outboxEntry(folder, message.tenant, message.id));
}

const kinds = { trainings: 'training', images: 'image' } as const;
const entrySchema = z.templateLiteral(['outbox/', z.enum(['trainings', 'images']), '/', z.string(), '/', z.string()]);

/**
 * Sends what a process wrote down but did not live to send: a job gets an (empty) entry in the outbox before its record
 * and loses it after its message, so an entry older than `olderThanSeconds` (longer than any request may take) is a job
 * that nobody may have heard of. The outbox is empty nearly always, so a sweep costs one listing, however many jobs
 * there are. Workers call it at their start and every few minutes; two at once, or a sweep beside a slow sender, send
 * a message twice, which is what queues do anyway.
 * @returns how many messages were sent
 */
export async function sweepOutbox(
  bucket: Bucket,
  queues: JobQueues,
  { olderThanSeconds = 60, now = Date.now() }: { olderThanSeconds?: number; now?: number } = {},
): Promise<number> {
  let sent = 0;
  let after: string | undefined;
  do {
    const page = await bucket.list(keys.outbox(), after === undefined ? {} : { after });
    for (const { key } of page.keys) {
      const [, folder, tenant = '', id = ''] = entrySchema.parse(key).split('/');
      if (folder !== 'trainings' && folder !== 'images') continue;
      if (now - idTime(id) < olderThanSeconds * 1000) continue;
      const job = await readRecord(bucket, keys.jobRecord(folder, tenant, id), z.object({ status: jobStatusSchema }));
      if (job?.record.status === 'queued') {
        await dispatch(bucket, queues, { kind: kinds[folder], tenant, id }, folder);
        sent++;
      } else {
        // Never accepted (its request died before the record), or begun already.
        await bucket.delete(key);
      }
    }
    after = page.next;
  } while (after !== undefined);
  return sent;
}
