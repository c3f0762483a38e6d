import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { getRequestListener } from '@hono/node-server';
import { consume, createApp, deliver, nodePost, tick } from '@loraloom/functions';
import { buryDead, openS3, openSqs, work } from '@loraloom/gpu-worker';
import { batchMessageSchema, endMessageSchema } from '@loraloom/jobs';
import { fetchBucket } from '@loraloom/jobs/bucket/fetch';
import { sdkBucket } from '@loraloom/jobs/bucket/sdk';
import { fetchQueue } from '@loraloom/jobs/queue/fetch';
import { sdkQueue } from '@loraloom/jobs/queue/sdk';
import { startConsumer } from '@loraloom/local';
import { faultyLimits } from './charges.ts';
import { withClockWrongBy } from './clock.ts';
import type { Faults } from './faults.ts';
import { openLink } from './link.ts';
import type { Death, WorkerPlan } from './plan.ts';
import { bucketName, credentials, region, type World } from './world.ts';

/** A program that runs, until it is stopped or dies. */
export interface Program {
  /** Resolves when it is no more, however that came. */
  gone: Promise<void>;
  /** SIGTERM. */
  stop(): void;
}

export interface Surroundings {
  seed: number;
  world: World;
  faults: Faults;
  /** Files whose bytes kill the worker that decodes them; the API, which looks at a file's first bytes only, lives. */
  poison: ReadonlySet<string>;
  log: (program: string, line: Record<string, unknown>) => void;
}

/** Two lines, to S3 and SQS, and the death that comes with one of their requests, or with a poisonous file if it decodes files. */
async function openLines(
  { seed, world, faults }: Surroundings,
  program: string,
  death: Death | undefined,
  dies: { kill(): void; stop(noticeSeconds: number): void },
  poison: ReadonlySet<string> = new Set(),
) {
  let requests = 0;
  const moment = (when: 'before' | 'after', label: string, path: string) => {
    if (when === 'before') requests++;
    if (label === 'GET content' && when === 'after' && [...poison].some((id) => path.includes(id))) {
      faults.count('poison read');
      dies.kill();
    } else if (death && requests === death.atRequest && when === death.when) {
      faults.count(death.how === 'kill' ? 'kill -9' : 'SIGTERM');
      if (death.how === 'kill') dies.kill();
      else dies.stop(death.how.stopNoticeSeconds);
    }
  };
  const open = (service: 's3' | 'sqs') =>
    openLink({
      seed,
      program,
      service,
      target: () => world.at(service),
      faults,
      watch: world.watch,
      expire: world.expire,
      read: world.read,
      moment,
    });
  const [s3, sqs] = [await open('s3'), await open('sqs')];
  return {
    s3,
    sqs,
    queueUrl: (url: string) => sqs.url + new URL(url).pathname,
    cut() {
      s3.cut();
      sqs.cut();
    },
  };
}

/** The worker program: the work loop and the funerals, as main.ts puts them together. */
export async function startWorker(
  around: Surroundings,
  program: string,
  plan: WorkerPlan & { modelsFolder: string; death: Death | undefined },
): Promise<Program> {
  const { world } = around;
  const stop = new AbortController();
  const dead = Promise.withResolvers<void>();
  const kill = () => {
    // What it still does reaches nobody any more.
    lines.cut();
    stop.abort();
    dead.resolve();
  };
  const dies = {
    kill,
    stop(noticeSeconds: number) {
      stop.abort();
      void Promise.race([ended, sleep(noticeSeconds * 1000, 'late')]).then((first) => {
        if (first === 'late') kill();
      });
    },
  };
  const lines = await openLines(around, program, plan.death, dies, around.poison);
  const s3 = openS3({ region, credentials, endpoint: lines.s3.url });
  const sqs = openSqs({ region, credentials, endpoint: lines.sqs.url });
  const { trainings, images, batches, webhooks } = world.queues;
  const queue = (url: string) => sdkQueue(sqs, lines.queueUrl(url));
  const services = {
    bucket: sdkBucket(s3, bucketName),
    queues: {
      trainings: queue(trainings.url),
      images: queue(images.url),
      batches: queue(batches.url),
      webhooks: queue(webhooks.url),
    },
    modelsFolder: plan.modelsFolder,
    provider: 'cpu' as const,
    slots: plan.slots,
    visibilitySeconds: 10,
    maxVisibilitySeconds: plan.maxVisibilitySeconds,
    graceSeconds: plan.graceSeconds,
    log: (line: Record<string, unknown>) => around.log(program, line),
  };
  const ended = withClockWrongBy(plan.skewSeconds, () =>
    Promise.all([
      work(services, ['trainings', 'images'], stop.signal),
      ...[trainings.deadUrl, images.deadUrl].map((url) => buryDead(services, queue(url), stop.signal)),
    ]),
  ).catch((error) => around.log(program, { message: 'worker threw', error: String(error) }));
  const leave = async () => {
    lines.cut();
    s3.destroy();
    sqs.destroy();
  };
  return { gone: Promise.race([ended.then(leave), dead.promise]), stop: () => stop.abort() };
}

/** The API behind an HTTP server, with the adapters that it has in the cloud. */
export async function startApi(
  around: Surroundings,
  program: string,
  { skewSeconds, death, pepper }: { skewSeconds: number; death: Death | undefined; pepper: string },
): Promise<Program & { url: string }> {
  const { world } = around;
  const dead = Promise.withResolvers<void>();
  let gone = false;
  const end = () => {
    gone = true;
    lines.cut();
    server.closeAllConnections();
    server.close();
    dead.resolve();
  };
  // It has nothing to put in order: to be told to stop is to be killed.
  const lines = await openLines(around, program, death, { kill: end, stop: end });
  const access = { region, credentials: () => credentials };
  const bucket = fetchBucket({ ...access, endpoint: lines.s3.url }, bucketName);
  const queue = (url: string) => fetchQueue({ ...access, endpoint: lines.sqs.url }, lines.queueUrl(url));
  const app = createApp({
    bucket,
    queues: {
      trainings: queue(world.queues.trainings.url),
      images: queue(world.queues.images.url),
      batches: queue(world.queues.batches.url),
      webhooks: queue(world.queues.webhooks.url),
    },
    limits: faultyLimits(world.limits, around.faults, around.seed, program, () => gone),
    pepper,
    origins: [],
    log: (line) => around.log(program, line),
  });
  const server = createServer(getRequestListener((request) => withClockWrongBy(skewSeconds, () => app.fetch(request))));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  return { url, gone: dead.promise, stop: end };
}

/** The program that moves batches on and tells of ends, with the adapters that it has in the cloud. */
export async function startConsumers(
  around: Surroundings,
  program: string,
  { skewSeconds, death }: { skewSeconds: number; death: Death | undefined },
): Promise<Program> {
  const { world } = around;
  const dead = Promise.withResolvers<void>();
  let gone = false;
  const end = () => {
    gone = true;
    lines.cut();
    void withClockWrongBy(skewSeconds, stop);
    dead.resolve();
  };
  const lines = await openLines(around, program, death, { kill: end, stop: end });
  const access = { region, credentials: () => credentials };
  const bucket = fetchBucket({ ...access, endpoint: lines.s3.url }, bucketName);
  const queue = (name: keyof World['queues']) =>
    fetchQueue({ ...access, endpoint: lines.sqs.url }, lines.queueUrl(world.queues[name].url));
  const queues = {
    trainings: queue('trainings'),
    images: queue('images'),
    batches: queue('batches'),
    webhooks: queue('webhooks'),
  };
  const log = (line: Record<string, unknown>) => around.log(program, line);
  const limits = faultyLimits(world.limits, around.faults, around.seed, program, () => gone);
  const services = { bucket, queues, limits, log, post: nodePost({ allowLocal: true }) };
  const stops = withClockWrongBy(skewSeconds, () => [
    startConsumer(queues.webhooks, (body) => consume(body, endMessageSchema, (message) => deliver(services, message), log), log),
    startConsumer(queues.batches, (body) => consume(body, batchMessageSchema, (message) => tick(services, message), log), log),
  ]);
  const stop = () => Promise.all(stops.map((one) => one()));
  return { gone: dead.promise, stop: end };
}

/**
 * Keeps a program running: when it has gone, another is started in its place.
 * @param start gets how many there were before
 */
export function keepRunning(start: (times: number) => Promise<Program>, deaths: readonly Death[]): { stop(): Promise<void> } {
  let over = false;
  let current: Program | undefined;
  const running = (async () => {
    for (let times = 0; !over; times++) {
      current = await start(times);
      if (over) current.stop();
      await current.gone;
      if (!over) await sleep(1000 * (deaths[times]?.backSeconds ?? 1));
    }
  })();
  return {
    async stop() {
      over = true;
      current?.stop();
      await running;
    },
  };
}
