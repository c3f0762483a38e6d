import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sdkBucket } from '@loraloom/jobs/bucket/sdk';
import { sdkQueue } from '@loraloom/jobs/queue/sdk';
import { openMetrics, serveMetrics } from '@loraloom/metrics';
import { z } from 'zod';
import { openS3, openSqs } from './clients.ts';
import { buryDead } from './dead.ts';
import { pictureModerator } from './moderate.ts';
import { taskProtection } from './protection.ts';
import { work } from './work.ts';

/** From which score on pictures are refused, above 0 up to 1; `off`: they are not looked at. */
const threshold = z.union([z.literal('off').transform(() => undefined), z.coerce.number().gt(0).max(1)]).default(0.7);

/** The environment of the worker program; infra and the local stack set it. */
const Environment = z.object({
  AWS_REGION: z.string().default('us-east-1'),
  BUCKET: z.string(),
  TRAININGS_QUEUE_URL: z.url(),
  IMAGES_QUEUE_URL: z.url(),
  /** Only to send to: what the outbox holds for them, and ends that a webhook waits for. */
  BATCHES_QUEUE_URL: z.url(),
  WEBHOOKS_QUEUE_URL: z.url(),
  /** Dead-letter queues to empty as well; in the cloud another program does. */
  DEAD_QUEUE_URLS: z
    .string()
    .transform((list) => list.split(','))
    .optional(),
  QUEUES: z
    .string()
    .default('trainings,images')
    .transform((list) => z.array(z.enum(['trainings', 'images'])).parse(list.split(','))),
  MODELS_DIR: z.string().default(join(tmpdir(), 'loraloom-models')),
  /** Of the ECS agent, which sets it; elsewhere there is none. */
  ECS_AGENT_URI: z.url().optional(),
  S3_ENDPOINT: z.url().optional(),
  SQS_ENDPOINT: z.url().optional(),
  EXECUTION_PROVIDER: z.enum(['cpu', 'cuda', 'webgpu']).default('cpu'),
  /** Pictures made at once: more fill a large GPU, and cost memory. */
  SLOTS: z.coerce.number().int().min(1).max(64).default(8),
  TRAINING_PICTURE_THRESHOLD: threshold,
  START_PICTURE_THRESHOLD: threshold,
  OUTPUT_PICTURE_THRESHOLD: threshold,
  /** Days after which the bucket removes pictures, if it does. */
  PICTURE_DAYS: z.coerce.number().int().min(1).optional(),
  VISIBILITY_SECONDS: z.coerce.number().int().min(2).max(43_200).default(60),
  /** Half an hour below what SQS allows, to write a checkpoint in. */
  MAX_VISIBILITY_SECONDS: z.coerce.number().min(1).max(43_200).default(41_400),
  /** Where Prometheus may read, at /metrics, on loopback; without it, nowhere. */
  METRICS_PORT: z.coerce.number().int().min(1).max(65_535).optional(),
  /** OpenTelemetry's collector, as `http://localhost:4318`. */
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url().optional(),
  /** Below what whoever stops it waits before it kills, by the time that a checkpoint takes. */
  GRACE_SECONDS: z.coerce.number().min(0).max(3600).default(100),
});

const environment = Environment.parse(process.env);
const { AWS_REGION: region, S3_ENDPOINT, SQS_ENDPOINT } = environment;
const s3 = openS3({ region, ...(S3_ENDPOINT ? { endpoint: S3_ENDPOINT } : {}) });
const sqs = openSqs({ region, ...(SQS_ENDPOINT ? { endpoint: SQS_ENDPOINT } : {}) });
const bucket = sdkBucket(s3, environment.BUCKET);
const log = (line: Record<string, unknown>) => console.log(JSON.stringify({ time: new Date().toISOString(), ...line }));

const stop = new AbortController();
for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => stop.abort());
// As a child of the local stack: a parent that dies takes its worker along.
process.once('disconnect', () => stop.abort());

const metrics = openMetrics('loraloom-worker', environment.OTEL_EXPORTER_OTLP_ENDPOINT);
const scraped = environment.METRICS_PORT === undefined ? undefined : serveMetrics(metrics, environment.METRICS_PORT);

const services = {
  bucket,
  queues: {
    trainings: sdkQueue(sqs, environment.TRAININGS_QUEUE_URL),
    images: sdkQueue(sqs, environment.IMAGES_QUEUE_URL),
    batches: sdkQueue(sqs, environment.BATCHES_QUEUE_URL),
    webhooks: sdkQueue(sqs, environment.WEBHOOKS_QUEUE_URL),
  },
  modelsFolder: environment.MODELS_DIR,
  provider: environment.EXECUTION_PROVIDER,
  slots: environment.SLOTS,
  moderator: pictureModerator({
    training_picture: environment.TRAINING_PICTURE_THRESHOLD,
    start_picture: environment.START_PICTURE_THRESHOLD,
    output_picture: environment.OUTPUT_PICTURE_THRESHOLD,
  }),
  visibilitySeconds: environment.VISIBILITY_SECONDS,
  pictureDays: environment.PICTURE_DAYS,
  maxVisibilitySeconds: environment.MAX_VISIBILITY_SECONDS,
  graceSeconds: environment.GRACE_SECONDS,
  metrics,
  protection: environment.ECS_AGENT_URI ? taskProtection(environment.ECS_AGENT_URI, { log }) : undefined,
  log,
};
log({ level: 'info', message: 'worker started', queues: environment.QUEUES });
const dead = (environment.DEAD_QUEUE_URLS ?? []).map((url) => buryDead(services, sdkQueue(sqs, url), stop.signal));
await Promise.all([work(services, environment.QUEUES, stop.signal), ...dead]);
await services.protection?.close();
await services.moderator.close();
scraped?.close();
// A collector that is away keeps no worker from leaving.
await metrics.end().catch((error) => log({ level: 'warn', message: 'metrics not sent', error: String(error) }));
log({ level: 'info', message: 'worker stopped' });
if (process.connected) process.disconnect();
