import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageSchema, sweepOutbox } from '@loraloom/jobs';
import { type Handler, type Hold, hold } from './hold.ts';
import { imageHandler } from './images.ts';
import { bucketLoras } from './loras.ts';
import { bucketModels } from './models.ts';
import type { QueueName, Services } from './services.ts';
import { trainingHandler } from './training.ts';

/**
 * Works on the named queues until `stop` aborts; then what was begun may end within the grace, and what is left is put back.
 * Trainings go one at a time; image jobs as many as there are slots, so that whatever waits in the queue joins the running
 * batch as slots free up. A job of which a worker may have died runs alone.
 */
export async function work(services: Services, queues: readonly QueueName[], stop: AbortSignal): Promise<void> {
  const models = bucketModels(services);
  const loras = bucketLoras(services.bucket);
  const handlers: Record<QueueName, Handler> = {
    trainings: trainingHandler(services, models, loras),
    images: imageHandler(services, models, loras),
  };
  const atOnce: Record<QueueName, number> = { trainings: 1, images: services.slots };
  const grace = (signal?: AbortSignal) =>
    sleep(services.graceSeconds * 1000, undefined, { ref: false, ...(signal ? { signal } : {}) }).catch(() => undefined);

  /** What runs, each with its end. */
  const running = new Map<Hold, Promise<void>>();
  const ends = new EventEmitter();
  function begin(job: Hold): Promise<void> {
    const ended = job.work(handlers[job.queue]).finally(() => {
      running.delete(job);
      ends.emit('end');
    });
    running.set(job, ended);
    return ended;
  }

  /** Begins whatever comes, until `stop`, or until a job comes that must run alone; that one is returned. */
  async function receiveTogether(): Promise<Hold | undefined> {
    const over = new AbortController();
    const signal = AbortSignal.any([stop, over.signal]);
    let alone: Hold | undefined;
    const consume = async (name: QueueName) => {
      while (!signal.aborted) {
        const room = atOnce[name] - [...running.keys()].filter(({ queue }) => queue === name).length;
        if (room > 0) {
          for (const job of await receive(services, name, room, signal)) {
            if (!job.alone) void begin(job);
            else if (alone) await job.putBack();
            else {
              alone = job;
              over.abort();
            }
          }
        } else await once(ends, 'end', { signal }).catch(() => undefined);
      }
    };
    await Promise.all(queues.map(consume));
    return alone;
  }

  /** Waits until nothing runs any more; what takes longer than the grace, or until `hurry`, is put back. */
  async function clear(hurry?: AbortSignal): Promise<void> {
    const ended = Promise.all(running.values());
    await Promise.race([ended, grace(hurry)]);
    for (const job of running.keys()) job.release();
    await ended;
  }

  const sweep = setInterval(() => sweepQuietly(services), 120_000);
  sweepQuietly(services);
  try {
    for (let alone = await receiveTogether(); alone; alone = await receiveTogether()) {
      await clear(stop);
      if (stop.aborted) await alone.putBack();
      // A long one that has not killed the worker by now is no longer under suspicion.
      else await Promise.race([begin(alone), grace(stop)]);
    }
    await clear();
  } finally {
    clearInterval(sweep);
    await models.close();
  }
}

/** Up to `room` jobs of a queue, ten at most, or none when `signal` aborts the wait. */
async function receive(services: Services, name: QueueName, room: number, signal: AbortSignal): Promise<Hold[]> {
  const { queues, visibilitySeconds, log } = services;
  try {
    const maxMessages = Math.min(10, room);
    const messages = await queues[name].receive({ maxMessages, waitSeconds: 20, visibilitySeconds, signal });
    const jobs: Hold[] = [];
    for (const message of messages) {
      const job = parseMessage(message.body);
      if (job) jobs.push(hold(services, name, message, job));
      else {
        log({ level: 'error', message: 'not a job message, dropped', body: message.body.slice(0, 200) });
        await queues[name].delete(message.receipt).catch(() => undefined);
      }
    }
    return jobs;
  } catch (error) {
    if (!signal.aborted) {
      log({ level: 'error', message: 'queue out of reach', queue: name, error: String(error) });
      await sleep(2000, undefined, { signal }).catch(() => undefined);
    }
    return [];
  }
}

function parseMessage(body: string) {
  try {
    return messageSchema.parse(JSON.parse(body));
  } catch {
    return undefined;
  }
}

function sweepQuietly({ bucket, queues, log }: Services): void {
  sweepOutbox(bucket, queues).catch((error) => log({ level: 'error', message: 'outbox not swept', error: String(error) }));
}
