import { z } from 'zod';
import { batchRecordSchema, isFinalBatch, sendTick } from './batch.ts';
import type { Bucket } from './bucket/port.ts';
import { idTime } from './ids.ts';
import { type JobMessage, jobStatusSchema, messageSchema, traceSchema } from './job.ts';
import { type JobFolder, keys, type QueueName } from './keys.ts';
import type { Queue } from './queue/port.ts';
import { readRecord } from './record.ts';
import { endMessageSchema, recordKey, sendEnd } from './webhook.ts';

/** A queue for each kind of message. */
export type JobQueues = Record<QueueName, Queue>;

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
      const entry = entryOf(key);
      if (!entry || now - idTime(entry.id) < olderThanSeconds * 1000) continue;
      try {
        const found = await sweeps[entry.queue]({ bucket, queues, now, ...entry });
        if (found === 'sent') sent++;
        if (found === 'nothing to send') await bucket.delete(key);
      } catch (error) {
        errors.push(error);
      }
    }
    after = page.next;
  } while (after !== undefined);
  if (errors.length > 0) throw new AggregateError(errors, `${errors.length} entries of the outbox could not be swept`);
  return sent;
}

type Sweep = (of: {
  bucket: Bucket;
  queues: JobQueues;
  now: number;
  tenant: string;
  id: string;
}) => Promise<'sent' | 'nothing to send' | 'not yet'>;

/** Seconds without a tick after which a batch's chain of ticks counts as broken: longer than one may take. */
const brokenSeconds = 15 * 60;

/** What an old entry means, a row a queue. */
const sweeps: Record<QueueName, Sweep> = {
  trainings: sweepJob('trainings'),
  images: sweepJob('images'),

  /** A batch keeps its entry until it has ended, so that its ticks go on even if a message was given up on. */
  async batches({ bucket, queues, now, tenant, id }) {
    const batch = (await readRecord(bucket, keys.batchRecord(tenant, id), batchRecordSchema))?.record;
    if (!batch || isFinalBatch(batch.status)) return 'nothing to send';
    if (now - Date.parse(batch.fanout.ticked_at) < brokenSeconds * 1000) return 'not yet';
    await sendTick(queues.batches, { kind: 'batch', tenant, id, tick: batch.fanout.tick });
    return 'sent';
  },

  /** The entry is there before the end is written. Whoever died in between is followed by another that writes one. */
  async webhooks({ bucket, queues, tenant, id }) {
    const ended = await readRecord(bucket, recordKey(tenant, id), z.object({ finished_at: z.string().nullable() }));
    if (!ended) return 'nothing to send';
    if (ended.record.finished_at === null) return 'not yet';
    await sendEnd(bucket, queues.webhooks, tenant, id);
    return 'sent';
  },
};

const sweptSchema = z.object({ status: jobStatusSchema, trace: traceSchema.nullable().default(null) });

/** There is nothing to send if the job was never accepted (its request died before the record), or has begun. */
function sweepJob(folder: JobFolder): Sweep {
  return async ({ bucket, queues, tenant, id }) => {
    const job = await readRecord(bucket, keys.jobRecord(folder, tenant, id), sweptSchema);
    if (job?.record.status !== 'queued') return 'nothing to send';
    const { trace } = job.record;
    const kind = folder === 'trainings' ? 'training' : 'image';
    await dispatch(bucket, queues, messageSchema.parse({ kind, tenant, id, ...(trace ? { trace } : {}) }));
    return 'sent';
  };
}

/** What an entry's key stands for; see keys.ts. */
function entryOf(key: string): { queue: QueueName; tenant: string; id: string } | undefined {
  const [, queue, tenant, id] = /^outbox\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(key) ?? [];
  const parsed = endMessageSchema.omit({ attempt: true, kind: true }).safeParse({ tenant, id });
  const known = z.enum(['trainings', 'images', 'batches', 'webhooks']).safeParse(queue);
  return parsed.success && known.success ? { queue: known.data, ...parsed.data } : undefined;
}
