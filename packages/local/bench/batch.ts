import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import { consume, tenantLimitsSchema, tick } from '@loraloom/functions';
import {
  type BatchStatus,
  batchMessageSchema,
  batchRequestSchema,
  beginAttempt,
  createBatch,
  createFile,
  images,
  isFinalBatch,
  keys,
  messageSchema,
  newId,
  putRecord,
  readBatch,
  updateAttempt,
} from '@loraloom/jobs';
import { fetchBucket } from '@loraloom/jobs/bucket/fetch';
import { memoryBucket } from '@loraloom/jobs/bucket/memory';
import { memoryLimits } from '@loraloom/jobs/limits/memory';
import { fetchQueue } from '@loraloom/jobs/queue/fetch';
import { memoryQueues } from '@loraloom/jobs/queue/memory';
import { startConsumer } from '../src/consumer.ts';
import { openLimits } from '../src/limits.ts';
import { described as model } from '../src/test-models.ts';
import { credentials, startProcess } from '../src/test-process.ts';

/*
 * `npm run bench:batch [memory|disk] [lines] [kilobytes a picture]`: a batch with an engine that makes nothing: how long the
 * fan-out takes, and what memory. Over a bucket and queues in this process's memory, or over the local S3 and SQS, which are a
 * process of their own and put every write on the disk before they answer it, by the adapters that Lambda uses.
 */

const [place = 'memory', ...sizes] = process.argv.slice(2);
const [lines = 10_000, kilobytes = 20] = sizes.map(Number);
const tenant = 'bench';
const region = 'us-east-1';

async function openMemory() {
  return { bucket: memoryBucket(), queues: memoryQueues(), limits: memoryLimits(), close: async () => undefined };
}

async function openDisk() {
  const folder = mkdtempSync(join(tmpdir(), 'bench-batch-'));
  const servers = await startProcess(folder);
  const access = (endpoint: string) => ({ endpoint, region, credentials: () => credentials });
  const sqs = new SQSClient({ region, endpoint: servers.sqs, credentials });
  const openQueue = async (QueueName: string) => {
    const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName }));
    return fetchQueue(access(servers.sqs), QueueUrl);
  };
  const queues = {
    trainings: await openQueue('trainings'),
    images: await openQueue('images'),
    batches: await openQueue('batches'),
    webhooks: await openQueue('webhooks'),
  };
  sqs.destroy();
  const limits = openLimits(join(folder, 'limits.sqlite'));
  async function close() {
    limits.end();
    await servers.kill();
    rmSync(folder, { recursive: true });
  }
  return { bucket: fetchBucket(access(servers.s3), 'loom'), queues, limits, close };
}

const { bucket, queues, limits, close } = await (place === 'disk' ? openDisk() : openMemory());
const log = (line: Record<string, unknown>) => console.error(JSON.stringify(line));
const report = (error: unknown) => log({ level: 'warn', error: String(error) });
await putRecord(bucket, keys.model('emoji'), model);
await putRecord(bucket, keys.limits(tenant), tenantLimitsSchema.parse({ unfinished_jobs: 2000 }));

/** A worker whose pictures are noise. */
const picture = new Uint8Array(randomBytes(kilobytes * 1024));
async function work(body: string): Promise<void> {
  const { id } = messageSchema.parse(JSON.parse(body));
  const begun = await beginAttempt(bucket, images, tenant, id);
  if (begun.status !== 'running') return;
  const { width, height, seed, steps, guidance_scale, sampler, prompt, negative_prompt } = begun.request;
  const key = keys.picture(tenant, id, 0);
  await bucket.put(key, picture, { contentType: 'image/png' });
  const made = { model: 'emoji', model_digest: '', loras: [], seed, sampler, steps, guidance_scale, width, height };
  const receipt = { ...made, prompt, negative_prompt, engine_version: 'none' };
  const image = { index: 0, key, seed, width, height, content_type: 'image/png' as const, sha256: '', receipt };
  const finished_at = new Date().toISOString();
  await updateAttempt(bucket, images, tenant, begun, (job) => ({
    ...job,
    status: 'succeeded',
    output: { images: [image] },
    finished_at,
  }));
}

const text = Array.from({ length: lines }, (_, i) =>
  JSON.stringify({ custom_id: `sku-${i}`, model: 'emoji', prompt: `product ${i}, white background` }),
).join('\n');
const bytes = new TextEncoder().encode(text);
const content_type = 'application/jsonl' as const;
const file = { name: 'lines', content_type, size_bytes: bytes.length, sha256: '0'.repeat(64) };
const { id: input_file_id } = await createFile(bucket, tenant, file);
await bucket.put(keys.fileContent(tenant, input_file_id), bytes);

const begun = performance.now();
const seconds = () => ((performance.now() - begun) / 1000).toFixed(1);
const services = { bucket, queues, limits, log };
const ending = [
  startConsumer(queues.images, work, log, { atOnce: 16 }),
  startConsumer(queues.batches, (body) => consume(body, batchMessageSchema, (message) => tick(services, message), log), log),
];
const request = batchRequestSchema.parse({ input_file_id });
const { id } = await createBatch({ ...services, report }, tenant, request, newId('batch'));
let status: BatchStatus | undefined;
for (;;) {
  const batch = await readBatch(bucket, tenant, id);
  if (batch && batch.status !== status) {
    status = batch.status;
    console.log(`${seconds()} s: ${status}`, JSON.stringify(batch.request_counts));
  }
  if (batch && isFinalBatch(batch.status)) {
    const archived = batch.fanout.archives.reduce((sum, { size_bytes }) => sum + (size_bytes ?? 0), 0);
    console.log(`${lines} lines of a picture of ${kilobytes} KB, ${place}: ${seconds()} s, ${batch.fanout.tick} ticks`);
    console.log(`${batch.fanout.archives.length} archives of ${Math.round(archived / 1e6)} MB together`);
    break;
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
}
for (const end of ending) await end();
const { user, system } = process.cpuUsage();
console.log(`processor time of ticks and engine together: ${((user + system) / 1e6).toFixed(1)} s`);
console.log(`peak memory of ticks and engine together: ${Math.round(process.resourceUsage().maxRSS / 1024)} MB`);
await close();
