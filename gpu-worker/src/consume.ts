import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { keys, messageSchema, reportPace } from '@loraloom/jobs';
import { type Handler, type Hold, type HoldServices, hold } from './hold.ts';
import { newPace } from './pace.ts';
import type { QueueName, Services } from './services.ts';

/** What is done with the jobs of a queue, and with how many at once. */
export interface Post {
  queue: QueueName;
  handler: Handler;
  atOnce: number;
}

type ConsumeServices = HoldServices & Pick<Services, 'bucket' | 'graceSeconds' | 'protection'>;

/**
 * Hands jobs to their posts until `stop` aborts; then what was begun may end within the grace, and what is left is put back.
 * A job of which a worker may have died runs alone.
 */
export async function consume(services: ConsumeServices, posts: readonly Post[], stop: AbortSignal): Promise<void> {
  const grace = (signal?: AbortSignal) =>
    sleep(services.graceSeconds * 1000, undefined, { ref: false, ...(signal ? { signal } : {}) }).catch(() => undefined);

  /** What runs, each with its end. */
  const running = new Map<Hold, Promise<void>>();
  const ends = new EventEmitter();
  const worker = randomUUID();
  const manned = posts.map((post) => ({ ...post, pace: newPace() }));
  type Manned = (typeof manned)[number];

  function begin(job: Hold, { queue, handler, pace }: Manned): Promise<void> {
    pace.begun();
    services.protection?.begun();
    const ended = job.work(handler).finally(() => {
      running.delete(job);
      services.protection?.ended();
      tellPace(services, queue, worker, pace.ended());
      ends.emit('end');
    });
    running.set(job, ended);
    return ended;
  }

  /** Begins whatever comes, until `stop`, or until a job comes that must run alone; that one is returned. */
  async function receiveTogether(): Promise<{ job: Hold; post: Manned } | undefined> {
    const over = new AbortController();
    const signal = AbortSignal.any([stop, over.signal]);
    let alone: { job: Hold; post: Manned } | undefined;
    const man = async (post: Manned) => {
      while (!signal.aborted) {
        const room = post.atOnce - [...running.keys()].filter(({ queue }) => queue === post.queue).length;
        if (room > 0) {
          for (const job of await receive(services, post.queue, room, signal)) {
            if (!job.alone) void begin(job, post);
            else if (alone) await job.putBack();
            else {
              alone = { job, post };
              over.abort();
            }
          }
        } else await once(ends, 'end', { signal }).catch(() => undefined);
      }
    };
    await Promise.all(manned.map(man));
    return alone;
  }

  /** Waits until nothing runs any more; what takes longer than the grace, or until `hurry`, is put back. */
  async function clear(hurry?: AbortSignal): Promise<void> {
    const ended = Promise.all(running.values());
    await Promise.race([ended, grace(hurry)]);
    for (const job of running.keys()) job.release();
    await ended;
  }

  try {
    for (let alone = await receiveTogether(); alone; alone = await receiveTogether()) {
      await clear(stop);
      if (stop.aborted) await alone.job.putBack();
      // A long one that has not killed the worker by now is no longer under suspicion.
      else await Promise.race([begin(alone.job, alone.post), grace(stop)]);
    }
    await clear();
  } finally {
    // A worker that is gone is not counted; one that could not say so is forgotten by itself.
    for (const { queue } of posts) await services.bucket.delete(keys.pace(queue, worker)).catch(() => undefined);
  }
}

/** Up to `room` jobs of a queue, ten at most, or none when `signal` aborts the wait. */
async function receive(services: HoldServices, name: QueueName, room: number, signal: AbortSignal): Promise<Hold[]> {
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

function tellPace(
  { bucket, log }: Pick<Services, 'bucket' | 'log'>,
  name: QueueName,
  worker: string,
  jobsPerSecond: number | undefined,
): void {
  if (jobsPerSecond === undefined) return;
  reportPace(bucket, name, worker, jobsPerSecond).catch((error) =>
    log({ level: 'warn', message: 'pace not reported', queue: name, error: String(error) }),
  );
}

function parseMessage(body: string) {
  try {
    return messageSchema.parse(JSON.parse(body));
  } catch {
    return undefined;
  }
}
