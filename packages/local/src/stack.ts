import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import { getRequestListener } from '@hono/node-server';
import { getConnInfo } from '@hono/node-server/conninfo';
import { serveStatic } from '@hono/node-server/serve-static';
import { consume, createApp, deliver, nodePost, storeApiKey, tenantLimitsSchema, tick } from '@loraloom/functions';
import { batchMessageSchema, createRecord, endMessageSchema, gatherAudit, keys } from '@loraloom/jobs';
import { sdkBucket } from '@loraloom/jobs/bucket/sdk';
import { sdkQueue } from '@loraloom/jobs/queue/sdk';
import { openMetrics } from '@loraloom/metrics';
import { startConsumer } from './consumer.ts';
import { openLimits } from './limits.ts';
import { createQueue } from './queue.ts';
import { type ModelDescription, registerModel } from './register-model.ts';
import { startS3 } from './s3/server.ts';
import { openSecrets } from './secrets.ts';
import { startSqs } from './sqs/server.ts';
import { startWorkerProcess } from './worker-process.ts';

export interface StackOptions {
  /** Where everything is kept. */
  folder: string;
  /** Port of the API; 0: any free one. */
  port: number;
  models: readonly (ModelDescription & { folder: string })[];
  /** Folder of web pages to serve at `/`. */
  pages?: string;
  /** Seconds until a job of a worker that died is given to the next. */
  visibilitySeconds?: number;
  /** OpenTelemetry's collector, as `http://localhost:4318`; metrics are at `/metrics` in any case. */
  otlpEndpoint?: string | undefined;
}

const bucketName = 'loraloom';
const region = 'us-east-1';
const tenant = 'local';

/** Written where there are none, so that others can be tried; one's own machine needs no protection from oneself. */
const developmentLimits = tenantLimitsSchema.parse({
  requests_per_minute: 1_000_000,
  requests_per_minute_per_key: 1_000_000,
  pictures_per_month: 1_000_000_000,
  training_steps_per_month: 1_000_000_000,
  unfinished_jobs: 2000,
});

/** Starts S3, SQS, the API and a worker on this machine, all on loopback, over one data folder. */
export async function startStack({ folder, port, models, pages, visibilitySeconds = 30, otlpEndpoint }: StackOptions) {
  await mkdir(folder, { recursive: true });
  const secrets = await openSecrets(folder);
  const { accessKeyId, secretAccessKey, pepper, apiKey } = secrets;
  const credentials = { accessKeyId, secretAccessKey };
  const closing: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const end of closing.splice(0).toReversed()) await end();
  };
  try {
    const s3 = await startS3({ folder: join(folder, 's3'), credentials });
    closing.push(() => s3.close());
    const sqs = await startSqs({ folder: join(folder, 'sqs'), credentials });
    closing.push(() => sqs.close());
    s3.createBucket(bucketName);
    const s3Client = new S3Client({ region, endpoint: s3.url, forcePathStyle: true, credentials });
    const sqsClient = new SQSClient({ region, endpoint: sqs.url, credentials });
    closing.push(async () => {
      s3Client.destroy();
      sqsClient.destroy();
    });
    const bucket = sdkBucket(s3Client, bucketName);
    const trainings = await createQueue(sqsClient, 'trainings');
    const images = await createQueue(sqsClient, 'images');
    const batches = await createQueue(sqsClient, 'batches');
    const webhooks = await createQueue(sqsClient, 'webhooks');
    const queues = {
      trainings: sdkQueue(sqsClient, trainings.url),
      images: sdkQueue(sqsClient, images.url),
      batches: sdkQueue(sqsClient, batches.url),
      webhooks: sdkQueue(sqsClient, webhooks.url),
    };
    // The line of every request would drown the rest in a terminal.
    const log = (line: Record<string, unknown>) => line.message !== 'request' && console.error(JSON.stringify(line));
    for (const { folder: modelFolder, ...description } of models) await registerModel(bucket, modelFolder, description);
    await storeApiKey(bucket, pepper, apiKey, {
      id: `key_${'0'.repeat(26)}`,
      object: 'key',
      name: 'development',
      scopes: ['images', 'trainings', 'admin'],
      created_at: new Date(0).toISOString(),
      expires_at: null,
      tenant,
    });
    await createRecord(bucket, keys.limits(tenant), developmentLimits);
    const limits = openLimits(join(folder, 'limits.sqlite'));
    closing.push(async () => limits.end());

    const metrics = openMetrics('loraloom-local', otlpEndpoint);
    closing.push(() => metrics.end());
    for (const queue of Object.keys(queues)) metrics.watchQueue(queue, async () => sqs.backlog(queue));
    const metricsPort = await freePort();

    const app = createApp({
      bucket,
      queues,
      limits,
      pepper,
      origins: [],
      measure: metrics.request,
      ipOf: (c) => getConnInfo(c).remote.address,
      log,
    });
    app.get('/metrics', async (c) => {
      const worker = await fetch(`http://127.0.0.1:${metricsPort}/metrics`).then(
        (answer) => answer.text(),
        () => '# the worker does not answer\n',
      );
      return c.text(`${await metrics.text()}${worker}`);
    });
    if (pages) app.get('/*', serveStatic({ root: pages }));
    const server = createServer(getRequestListener(app.fetch));
    const apiPort = await listen(server, port);
    closing.push(() => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    const gathering = setInterval(() => {
      gatherAudit(bucket).catch((error) => log({ level: 'error', message: 'audit not gathered', error: String(error) }));
    }, 300_000);
    closing.push(async () => clearInterval(gathering));
    const services = { bucket, queues, limits, log, post: nodePost({ allowLocal: true }) };
    closing.push(
      startConsumer(queues.batches, (body) => consume(body, batchMessageSchema, (message) => tick(services, message), log), log),
    );
    closing.push(
      startConsumer(
        queues.webhooks,
        (body) => consume(body, endMessageSchema, (message) => deliver(services, message), log),
        log,
      ),
    );
    const worker = startWorkerProcess(
      {
        AWS_REGION: region,
        AWS_ACCESS_KEY_ID: accessKeyId,
        AWS_SECRET_ACCESS_KEY: secretAccessKey,
        BUCKET: bucketName,
        TRAININGS_QUEUE_URL: trainings.url,
        IMAGES_QUEUE_URL: images.url,
        BATCHES_QUEUE_URL: batches.url,
        WEBHOOKS_QUEUE_URL: webhooks.url,
        DEAD_QUEUE_URLS: [trainings.deadUrl, images.deadUrl].join(','),
        MODELS_DIR: join(folder, 'models'),
        S3_ENDPOINT: s3.url,
        SQS_ENDPOINT: sqs.url,
        ...(otlpEndpoint ? { OTEL_EXPORTER_OTLP_ENDPOINT: otlpEndpoint } : {}),
        METRICS_PORT: String(metricsPort),
        VISIBILITY_SECONDS: String(visibilitySeconds),
        // Whoever presses Ctrl-C does not wait for a picture; it is made at the next start.
        GRACE_SECONDS: '3',
      },
      join(folder, 'worker.log'),
    );
    closing.push(() => worker.stop());
    return { url: `http://127.0.0.1:${apiPort}`, apiKey, worker, close };
  } catch (error) {
    await close();
    throw error;
  }
}
export type Stack = Awaited<ReturnType<typeof startStack>>;

/** A port that was free a moment ago: the worker, which may die and come again, must have the same one each time. */
async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server, 0);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function listen(server: ReturnType<typeof createServer>, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : port);
    });
  });
}
