import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type Loraloom } from '@loraloom/client';
import { decodePicture, encodePng } from '@loraloom/emoji-base';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Stack, startStack } from './stack.ts';
import { tiny } from './test-models.ts';

/*
 * The programs themselves, over HTTP: the API, the embedded S3 and SQS, and the worker as a process of its own.
 */

let folder: string;
let stack: Stack;
let api: Loraloom;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'loraloom-stack-'));
  stack = await startStack({ folder, port: 0, models: [tiny], visibilitySeconds: 3 });
  api = connect({ url: stack.url, apiKey: stack.apiKey });
});
afterAll(async () => {
  await stack.close();
  await rm(folder, { recursive: true });
});

async function uploads(): Promise<{ file_id: string; caption: string }[]> {
  const files = [];
  for (const shade of [3, 7]) {
    const png = await encodePng({ width: 64, height: 64, data: new Uint8Array(64 * 64 * 3).map((_, i) => (i * shade) % 256) });
    const { id } = await api.files.upload(new Uint8Array(png), { name: 'a.png' });
    files.push({ file_id: id, caption: `pattern ${shade}` });
  }
  return files;
}

it('goes from uploads through a training to a picture', async () => {
  expect((await api.models.list()).data.map(({ name }) => name)).toEqual(['tiny']);
  const asked = await api.trainings.create({
    model: 'tiny',
    name: 'pattern',
    files: await uploads(),
    steps: 3,
    rank: 2,
    batch_size: 2,
  });
  const training = await api.trainings.wait(asked);
  expect(training).toMatchObject({ status: 'succeeded', attempts: 1, error: null });
  const { url } = await api.loras.get('pattern');
  const weights = new Uint8Array(await (await fetch(url)).arrayBuffer());
  expect(weights.length).toBe(training.output?.lora.size_bytes);
  const image = await api.images.wait(await api.images.create({ model: 'tiny', prompt: 'a cat', loras: [{ name: 'pattern' }] }));
  expect(image.status).toBe('succeeded');
  const png = new Uint8Array(await (await fetch(image.output?.images[0]?.url ?? '')).arrayBuffer());
  expect(await decodePicture(png)).toMatchObject({ width: 64, height: 64 });

  // All of it is found by the request's id in the worker's log, and is measured.
  const lines = (await readFile(join(folder, 'worker.log'), 'utf8')).split('\n').filter((line) => line.includes(image.id));
  expect(lines.map((line) => JSON.parse(line))).toMatchObject(
    ['job begun', 'job ended'].map((message) => ({ message, request_id: image.trace?.request_id, tenant: 'local' })),
  );
  const measured = await (await fetch(`${stack.url}/metrics`)).text();
  for (const line of [
    /^loraloom_steps_total\{kind="training",.*\} 3$/m,
    /^loraloom_job_run_seconds_count\{kind="image",status="succeeded",.*\} 1$/m,
    /^loraloom_cache_lookups_total\{cache="models",result="hit",.*\} 1$/m,
    /^loraloom_request_seconds_count\{method="POST",route="\/v1\/images",status="202",.*\} 1$/m,
    /^loraloom_queue_depth\{queue="images",.*\} 0$/m,
  ]) {
    expect(measured).toMatch(line);
  }
});

it('finishes a training once whose worker is killed', async () => {
  const { id } = await api.trainings.create({
    model: 'tiny',
    name: 'survivor',
    files: await uploads(),
    steps: 120,
    rank: 2,
    batch_size: 1,
  });
  while ((await api.trainings.get(id)).progress.step === 0) await sleep(50);
  const pid = stack.worker.pid();
  process.kill(pid ?? 0, 'SIGKILL');
  const training = await api.trainings.wait(await api.trainings.get(id));
  expect(training).toMatchObject({ status: 'succeeded', attempts: 2, progress: { step: 120 } });
  expect(stack.worker.pid()).not.toBe(pid);
  expect((await api.loras.list()).data.filter(({ name }) => name === 'survivor')).toHaveLength(1);
}, 120_000);

it('carries a batch through, puts out what it made, and tells a webhook', async () => {
  const told: { id: string | string[] | undefined; text: string }[] = [];
  const receiver = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    told.push({ id: request.headers['webhook-id'], text });
    response.writeHead(204).end();
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const address = receiver.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const call = async (path: string, body?: object) => {
    const headers = { authorization: `Bearer ${stack.apiKey}`, 'content-type': 'application/json' };
    const answer = await fetch(
      `${stack.url}${path}`,
      body ? { method: 'POST', headers, body: JSON.stringify(body) } : { headers },
    );
    expect(answer.ok).toBe(true);
    return answer.json();
  };
  const csv = Buffer.from('sku,name\nA1,cat\nB2,dog\n');
  const sha256 = createHash('sha256').update(csv).digest('hex');
  const file = await call('/v1/files', { name: 'a.csv', content_type: 'text/csv', size_bytes: csv.length, sha256 });
  expect((await fetch(file.upload.url, { method: 'PUT', headers: file.upload.headers, body: csv })).ok).toBe(true);
  const request = {
    template: { custom_id: '{{sku}}', model: 'tiny', prompt: 'a {{name}}', n: 2 },
    csv_file_id: file.id,
    webhook_url: `http://localhost:${port}/`,
  };
  expect(await call('/v1/batches', { ...request, dry_run: true })).toMatchObject({ lines: 2, images: 4, errors: [] });
  const { id } = await call('/v1/batches', request);
  while (told.length === 0) await sleep(100);
  const batch = await call(`/v1/batches/${id}`);
  expect(batch).toMatchObject({ status: 'succeeded', request_counts: { total: 2, succeeded: 2 } });
  expect(JSON.parse(told[0]?.text ?? '')).toMatchObject({ type: 'batch.succeeded', data: { id, status: 'succeeded' } });
  expect((await call('/v1/webhooks/deliveries')).data).toMatchObject([{ id: told[0]?.id, subject_id: id }]);
  const output = await (await fetch(batch.output.output_url)).text();
  const lines = output
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text));
  expect(lines.map(({ custom_id }) => custom_id)).toEqual(['A1', 'B2']);
  const zip = Buffer.from(await (await fetch(batch.output.archives[0].url)).arrayBuffer());
  expect([zip.length, batch.output.archives[0].images]).toEqual([batch.output.archives[0].size_bytes, 4]);
  // The pictures lie in it as they are.
  for (const { index, url } of (await call(`/v1/images/${lines[1].id}`)).output.images) {
    expect(zip.includes(`B2/${index}.png`)).toBe(true);
    expect(zip.includes(Buffer.from(await (await fetch(url)).arrayBuffer()))).toBe(true);
  }
  receiver.close();
}, 120_000);
