import { setTimeout as sleep } from 'node:timers/promises';
import { messageSchema, type Queue, type Received, sweepOutbox } from '@loraloom/jobs';
import { imageHandler } from './images.ts';
import { bucketLoras } from './loras.ts';
import { bucketModels } from './models.ts';
import type { Services } from './services.ts';
import { trainingHandler } from './training.ts';

export type QueueName = 'trainings' | 'images';

/** Carries a job through; returning is success, throwing leaves the message to the queue. */
type Handler = (job: { tenant: string; id: string }, stop: AbortSignal) => Promise<void>;

/** Works on the named queues, one job of each at a time, until `stop` aborts; then returns when what was begun is put back. */
export async function work(services: Services, queues: readonly QueueName[], stop: AbortSignal): Promise<void> {
  const models = bucketModels(services);
  const handlers: Record<QueueName, Handler> = {
    trainings: trainingHandler(services, models),
    images: imageHandler(services, models, bucketLoras(services.bucket)),
  };
  const sweep = setInterval(() => sweepQuietly(services), 120_000);
  sweepQuietly(services);
  try {
    await Promise.all(queues.map((name) => consume(services, name, handlers[name], stop)));
  } finally {
    clearInterval(sweep);
    await models.close();
  }
}

async function consume(services: Services, name: QueueName, handler: Handler, stop: AbortSignal): Promise<void> {
  const { queues, visibilitySeconds, log } = services;
  while (!stop.aborted) {
    try {
      const messages = await queues[name].receive({ waitSeconds: 20, visibilitySeconds, signal: stop });
      for (const message of messages) await handle(services, queues[name], message, handler, stop);
    } catch (error) {
      if (stop.aborted) return;
      log({ level: 'error', message: 'queue out of reach', queue: name, error: String(error) });
      await sleep(2000, undefined, { signal: stop }).catch(() => undefined);
    }
  }
}

async function handle(
  { visibilitySeconds, log }: Services,
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
