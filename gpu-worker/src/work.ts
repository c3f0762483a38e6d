import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { keys, messageSchema, type Queue, type Received, reportPace, sweepOutbox } from '@loraloom/jobs';
import { imageHandler } from './images.ts';
import { bucketLoras } from './loras.ts';
import { bucketModels } from './models.ts';
import { newPace } from './pace.ts';
import type { Services } from './services.ts';
import { trainingHandler } from './training.ts';

export type QueueName = 'trainings' | 'images';

/** Carries a job through; returning is success, throwing leaves the message to the queue. */
export type Handler = (job: { tenant: string; id: string }, stop: AbortSignal) => Promise<void>;

/**
 * Works on the named queues until `stop` aborts; then returns when what was begun is put back. Trainings go one at
 * a time; image jobs as many as there are slots, so that whatever waits in the queue joins the running batch as slots free up.
 */
export async function work(services: Services, queues: readonly QueueName[], stop: AbortSignal): Promise<void> {
  const models = bucketModels(services);
  const loras = bucketLoras(services.bucket);
  const handlers: Record<QueueName, Handler> = {
    trainings: trainingHandler(services, models, loras),
    images: imageHandler(services, models, loras),
  };
  const sweep = setInterval(() => sweepQuietly(services), 120_000);
  sweepQuietly(services);
  try {
    const atOnce: Record<QueueName, number> = { trainings: 1, images: services.slots };
    await Promise.all(queues.map((name) => consume(services, name, handlers[name], atOnce[name], stop)));
  } finally {
    clearInterval(sweep);
    await models.close();
  }
}

/** Hands the messages of a queue to a handler, so many at once, until `stop` aborts and what was begun is put back. */
export async function consume(
  services: Pick<Services, 'bucket' | 'queues' | 'visibilitySeconds' | 'log'>,
  name: QueueName,
  handler: Handler,
  atOnce: number,
  stop: AbortSignal,
): Promise<void> {
  const { bucket, queues, visibilitySeconds, log } = services;
  const running = new Set<Promise<void>>();
  const worker = randomUUID();
  const pace = newPace();
  const ended = () => {
    const jobsPerSecond = pace.ended();
    if (jobsPerSecond === undefined) return;
    reportPace(bucket, name, worker, jobsPerSecond).catch((error) =>
      log({ level: 'warn', message: 'pace not reported', queue: name, error: String(error) }),
    );
  };
  while (!stop.aborted) {
    if (running.size >= atOnce) await Promise.race(running);
    try {
      const maxMessages = Math.min(10, atOnce - running.size);
      for (const message of await queues[name].receive({ maxMessages, waitSeconds: 20, visibilitySeconds, signal: stop })) {
        pace.begun();
        const job: Promise<void> = handle(services, queues[name], message, handler, stop)
          // The message comes back by itself after its visibility.
          .catch((error) => log({ level: 'error', message: 'message not put back', queue: name, error: String(error) }))
          .finally(() => {
            running.delete(job);
            ended();
          });
        running.add(job);
      }
    } catch (error) {
      if (stop.aborted) break;
      log({ level: 'error', message: 'queue out of reach', queue: name, error: String(error) });
      await sleep(2000, undefined, { signal: stop }).catch(() => undefined);
    }
  }
  await Promise.all(running);
  // A worker that is gone is not counted; one that could not say so is forgotten by itself.
  await bucket.delete(keys.pace(name, worker)).catch(() => undefined);
}

async function handle(
  { visibilitySeconds, log }: Pick<Services, 'visibilitySeconds' | 'log'>,
  queue: Queue,
  message: Received,
  handler: Handler,
  stop: AbortSignal,
): Promise<void> {
  const job = parseMessage(message.body);
  if (!job) {
    log({ level: 'error', message: 'not a job message, dropped', body: message.body.slice(0, 200) });
    return queue.delete(message.receipt);
  }
  // While a job runs its message stays hidden; a worker that dies lets it reappear.
  const heartbeat = setInterval(() => {
    queue
      .extend(message.receipt, visibilitySeconds)
      .catch((error) => log({ level: 'warn', message: 'heartbeat failed', id: job.id, error: String(error) }));
  }, visibilitySeconds * 300);
  try {
    await handler(job, stop);
    await queue.delete(message.receipt);
  } catch (error) {
    // Stopped: the message returns at once. Broken: after its visibility, and to the dead letters after a few times.
    if (stop.aborted) await queue.extend(message.receipt, 0);
    else
      log({
        level: 'error',
        message: 'job left to be tried again',
        id: job.id,
        attempt: message.receiveCount,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
  } finally {
    clearInterval(heartbeat);
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
