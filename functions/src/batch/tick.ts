import {
  type BatchMessage,
  type BatchRecord,
  batchRecordSchema,
  isFinalBatch,
  keys,
  noteEnd,
  readBatch,
  sendTick,
  tellEnd,
  updateRecord,
} from '@loraloom/jobs';
import { finish } from './finish.ts';
import { run } from './run.ts';
import type { BatchServices } from './services.ts';
import { validate } from './validate.ts';

/** Seconds until the next tick, longer while nothing happens, but no longer than what is under way keeps a few GPUs busy. */
function pauseSeconds(idle: number): number {
  return idle <= 1 ? 0 : Math.min(2 ** (idle - 2), 4);
}

/**
 * Moves a batch on, once for each number of a tick. Returning means that the message is done with.
 *
 * Every tick does its (repeatable) work, sends the message of the next, and only then writes the record with the next one's
 * number, by compare-and-swap. So wherever it dies, there is a message that is not out of date: its own, which comes again,
 * or the next. And however often messages come, those that are out of date do nothing, so that chains of ticks run together
 * into one.
 */
export async function tick(services: BatchServices, message: BatchMessage): Promise<void> {
  const { bucket, queues } = services;
  const { tenant, id } = message;
  const batch = await readSent(services, message);
  if (!batch) return;
  if (isFinalBatch(batch.status)) return ended(services, tenant, batch);
  const { fanout } = batch;
  if (message.tick < fanout.tick) return;
  const change = await move(services, tenant, batch);
  const moved = { ...batch, ...change };
  const following = message.tick + 1;
  if (!isFinalBatch(moved.status)) {
    await sendTick(queues.batches, { ...message, tick: following }, pauseSeconds(moved.fanout.idle));
  }
  const stored = await updateRecord(
    bucket,
    keys.batchRecord(tenant, id),
    batchRecordSchema,
    (current) => {
      // Another tick has moved it on meanwhile: then theirs is what counts, and their next message is sent.
      if (isFinalBatch(current.status) || current.fanout.tick !== fanout.tick) return undefined;
      const next = { ...current, ...change };
      // Somebody may have canceled it meanwhile.
      if (next.status === 'running' && next.cancel_requested) next.status = 'canceling';
      return { ...next, fanout: { ...next.fanout, tick: following, ticked_at: new Date().toISOString() } };
    },
    noteEnd(bucket, tenant),
  );
  if (isFinalBatch(stored.status)) await ended(services, tenant, stored);
}

/** How often a tick looks for the record of the one that sent it, and how long it waits in between. */
const looks = 20;
const pauseMilliseconds = 50;

/**
 * The batch, as it was left by the tick that sent this message: that sends first and writes then, and a message may be quicker than
 * a write. If the write does not come, its writer has died, and the batch as it is goes on from there.
 */
async function readSent(services: BatchServices, { tenant, id, tick: wanted }: BatchMessage): Promise<BatchRecord | undefined> {
  const { bucket, sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)) } = services;
  let batch = await readBatch(bucket, tenant, id);
  for (let look = 1; look < looks && batch && !isFinalBatch(batch.status) && batch.fanout.tick < wanted; look++) {
    await sleep(pauseMilliseconds);
    batch = await readBatch(bucket, tenant, id);
  }
  return batch;
}

function move(services: BatchServices, tenant: string, batch: BatchRecord): Promise<Partial<BatchRecord>> {
  if (batch.status === 'validating') return validate(services, tenant, batch);
  if (batch.status === 'finalizing') return finish(services.bucket, tenant, batch);
  return run(services, tenant, batch);
}

/** What is left to do after the last tick; a message that cannot be sent now is in the outbox. */
async function ended({ bucket, queues, log }: BatchServices, tenant: string, batch: BatchRecord): Promise<void> {
  const report = (error: unknown) => log({ level: 'warn', message: `end not yet told: ${error}`, id: batch.id });
  await tellEnd(bucket, queues.webhooks, tenant, batch).catch(report);
  await bucket.delete(keys.outboxEntry('batches', tenant, batch.id));
}
