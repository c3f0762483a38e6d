import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import { connect } from '@loraloom/client';
import { createApiKey } from '@loraloom/functions';
import { bundle, forEdge } from '@loraloom/functions/bundle';
import { createRecord, keys, messageSchema } from '@loraloom/jobs';
import { sdkBucket } from '@loraloom/jobs/bucket/sdk';
import { sdkQueue } from '@loraloom/jobs/queue/sdk';
import { Miniflare, type Request as Outbound } from 'miniflare';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createQueue } from './queue.ts';
import { startS3 } from './s3/server.ts';
import { startSqs } from './sqs/server.ts';
import { testDynamo } from './test-dynamo.ts';
import { credentials } from './test-process.ts';

/*
 * The API in workerd, as it would run at the edge: bundled, with no module of Node's, over S3, SQS and DynamoDB by signed fetch.
 */

const region = 'us-east-1';
const pepper = 'a pepper of at least thirty-two characters';
const dynamoUrl = 'http://dynamodb.invalid';
const closing: (() => Promise<unknown>)[] = [];
let edge: Awaited<ReturnType<typeof startEdge>>;

async function startEdge() {
  const folder = await mkdtemp(join(tmpdir(), 'loraloom-edge-'));
  closing.push(() => rm(folder, { recursive: true }));
  const s3 = await startS3({ folder: join(folder, 's3'), credentials });
  closing.push(() => s3.close());
  const sqs = await startSqs({ folder: join(folder, 'sqs'), credentials });
  closing.push(() => sqs.close());
  s3.createBucket('loom');
  const s3Client = new S3Client({ region, endpoint: s3.url, forcePathStyle: true, credentials });
  const sqsClient = new SQSClient({ region, endpoint: sqs.url, credentials });
  const bucket = sdkBucket(s3Client, 'loom');
  const [trainings, images] = [await createQueue(sqsClient, 'trainings'), await createQueue(sqsClient, 'images')];
  const dynamo = testDynamo();
  const { text, modules } = await bundle('src/edge.ts', forEdge);
  const worker = new Miniflare({
    modules: [{ type: 'ESModule', path: 'edge.mjs', contents: text }],
    compatibilityDate: '2026-07-01',
    bindings: {
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_ENDPOINT_URL_S3: s3.url,
      AWS_ENDPOINT_URL_SQS: sqs.url,
      AWS_ENDPOINT_URL_DYNAMODB: dynamoUrl,
      BUCKET: 'loom',
      TRAININGS_QUEUE_URL: trainings.url,
      IMAGES_QUEUE_URL: images.url,
      BATCHES_QUEUE_URL: `${sqs.url}/000000000000/batches`,
      WEBHOOKS_QUEUE_URL: `${sqs.url}/000000000000/webhooks`,
      LIMITS_TABLE: 'limits',
      KEY_PEPPER: pepper,
    },
    async outboundService(request: Outbound) {
      const { method, url, headers, body } = request;
      const send = url.startsWith(dynamoUrl) ? dynamo.fetch : fetch;
      return send(url, { method, headers: [...headers], body: body && (await request.arrayBuffer()) });
    },
  });
  closing.push(() => worker.dispose());
  return { url: (await worker.ready).origin, bucket, images: sdkQueue(sqsClient, images.url), modules };
}

beforeAll(async () => {
  edge = await startEdge();
});
afterAll(async () => {
  for (const close of closing.toReversed()) await close();
});

test('in workerd the API is healthy, described, and answers nobody without a key', async () => {
  expect(await (await fetch(`${edge.url}/healthz`)).json()).toEqual({ status: 'ok' });
  expect(await (await fetch(`${edge.url}/openapi.json`)).json()).toMatchObject({ openapi: '3.1.0', info: { title: 'Loraloom' } });
  const refused = await fetch(`${edge.url}/v1/images`);
  expect([refused.status, await refused.json()]).toMatchObject([401, { error: { code: 'unauthorized' } }]);
  expect(edge.modules.filter((path) => path.startsWith('node:'))).toEqual([]);
});

test('in workerd a picture is accepted: its record lies in the bucket, its message in the queue; a token is minted and good', async () => {
  const { bucket } = edge;
  await createRecord(bucket, keys.model('emoji'), {
    ...{ name: 'emoji', object: 'model', family: 'sd1', resolution: 128, latent_factor: 8, license: 'MIT', description: '' },
    ...{ default_steps: 25, default_guidance_scale: 4, default_sampler: 'ddim', files: [] },
  });
  const { key } = await createApiKey(bucket, pepper, 'acme', { name: null, scopes: ['images'], expires_at: null });
  const client = connect({ url: edge.url, apiKey: key });
  const { id } = await client.images.create({ model: 'emoji', prompt: 'red apple' });
  expect(await client.images.get(id)).toMatchObject({ id, status: 'queued', queue_position: 1 });
  const [message] = await edge.images.receive({ waitSeconds: 5, visibilitySeconds: 5 });
  expect(messageSchema.parse(JSON.parse(message?.body ?? ''))).toMatchObject({ kind: 'image', tenant: 'acme', id });
  await expect(client.images.create({ model: 'emoji', prompt: 'a p0rn scene' })).rejects.toMatchObject({
    code: 'content_refused',
  });

  const { token } = await client.tokens.create({ scopes: ['images'], minutes: 1 });
  const phone = connect({ url: edge.url, apiKey: token });
  expect(await phone.images.cancel(id)).toMatchObject({ status: 'canceled' });
  await expect(phone.images.list()).rejects.toMatchObject({ status: 403 });
});
