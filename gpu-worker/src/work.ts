import { sweepOutbox } from '@loraloom/jobs';
import { consume, type Post } from './consume.ts';
import { imageHandler } from './images.ts';
import { bucketLoras } from './loras.ts';
import { bucketModels } from './models.ts';
import type { QueueName, Services } from './services.ts';
import { trainingHandler } from './training.ts';

/**
 * Works on the named queues until `stop` aborts. Trainings go one at a time; image jobs as many as there are slots, so that
 * whatever waits in the queue joins the running batch as slots free up.
 */
export async function work(services: Services, queues: readonly QueueName[], stop: AbortSignal): Promise<void> {
  const models = bucketModels(services);
  const loras = bucketLoras(services.bucket, services.metrics);
  const posts: Post[] = [
    { queue: 'trainings', handler: trainingHandler(services, models, loras), atOnce: 1 },
    { queue: 'images', handler: imageHandler(services, models, loras), atOnce: services.slots },
  ];
  const sweep = setInterval(() => sweepQuietly(services), 120_000);
  sweepQuietly(services);
  try {
    const wanted = posts.filter(({ queue }) => queues.includes(queue));
    await consume(services, wanted, stop);
  } finally {
    clearInterval(sweep);
    await models.close();
  }
}

function sweepQuietly({ bucket, queues, log }: Services): void {
  sweepOutbox(bucket, queues).catch((error) => log({ level: 'error', message: 'outbox not swept', error: String(error) }));
}
