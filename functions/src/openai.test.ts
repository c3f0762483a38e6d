import { type Bucket, beginAttempt, images, keys, newId, publishLora, putRecord, updateAttempt } from '@loraloom/jobs';
import OpenAI, { toFile } from 'openai';
import { expect, onTestFinished, test } from 'vitest';
import { heldApp, lora, model, testApp } from './test-app.ts';

// The official client, talking to the app in this process.

const apple = new Uint8Array([1, 2, 3]);
const pngs = [apple, new Uint8Array([4, 5, 6])];

/** Ends every job that comes into the queue, as a worker would. */
function work(
  { bucket, queues }: Awaited<ReturnType<typeof testApp>>,
  end: 'succeeded' | { code: string; message: string } = 'succeeded',
) {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  void (async () => {
    while (!stop.signal.aborted) {
      for (const { body, receipt } of await queues.images.receive({ waitSeconds: 1, signal: stop.signal })) {
        await finish(bucket, JSON.parse(body), end);
        await queues.images.delete(receipt);
      }
    }
  })();
}

async function finish(
  bucket: Bucket,
  { tenant, id }: { tenant: string; id: string },
  end: 'succeeded' | { code: string; message: string },
) {
  const begun = await beginAttempt(bucket, images, tenant, id);
  if (end !== 'succeeded') {
    await updateAttempt(bucket, images, tenant, begun, (job) => ({ ...job, status: 'failed', error: { ...end, param: null } }));
    return;
  }
  const { n, ...asked } = begun.request;
  const receipt = { ...asked, image: undefined, model_digest: 'd', engine_version: '1', loras: [] };
  const made = Array.from({ length: n }, (_, index) => {
    const key = keys.picture(tenant, id, index);
    return { index, seed: 1, width: 8, height: 8, content_type: 'image/png' as const, sha256: 'x', receipt, key };
  });
  for (const { key, index } of made) await bucket.put(key, pngs[index] ?? new Uint8Array(), { contentType: 'image/png' });
  await updateAttempt(bucket, images, tenant, begun, (job) => ({ ...job, status: 'succeeded', output: { images: made } }));
}

async function setUp(waitSeconds?: number) {
  const served = await testApp();
  const app = waitSeconds === undefined ? served.app : heldApp({ ...served.services, waitSeconds });
  let calls = 0;
  const client = (apiKey = served.alpha) =>
    new OpenAI({
      baseURL: 'https://api.example/v1',
      apiKey,
      fetch: async (url, init) => {
        calls++;
        return app.request(new Request(url, init));
      },
    });
  return { ...served, client, calls: () => calls };
}

test('images.generate: the pictures in base 64, with a LoRA in the model’s name', async () => {
  const served = await setUp();
  work(served);
  const answer = await served.client().images.generate({
    model: 'emoji+style:0.8',
    prompt: 'red apple',
    n: 2,
    size: '256x256',
    response_format: 'b64_json',
  });
  expect(answer.data).toEqual([{ b64_json: 'AQID' }, { b64_json: 'BAUG' }]);
  expect(Math.abs(answer.created - Date.now() / 1000)).toBeLessThan(60);
  const { data } = await (await served.call('GET', '/v1/images')).json();
  expect(data[0].request).toMatchObject({
    model: 'emoji',
    prompt: 'red apple',
    n: 2,
    width: 256,
    height: 256,
    loras: [{ name: 'style', lora_id: lora.lora_id, weight: 0.8 }],
  });
});

test('images.generate: URLs, and what OpenAI has no word for in fields of our own', async () => {
  const served = await setUp();
  work(served);
  await publishLora(served.bucket, 'alpha', { ...lora, name: 'ink', lora_id: newId('lora') });
  const more = { loras: [{ name: 'ink', weight: -0.5 }], seed: 7, negative_prompt: 'blue', steps: 3 };
  const asked = {
    model: 'emoji+style@latest',
    prompt: 'red apple',
    size: 'auto' as const,
    user: 'someone',
    quality: 'hd' as const,
    ...more,
  };
  const answer = await served.client().images.generate(asked);
  const bytes = await (await served.bucket.fetch(answer.data?.[0]?.url ?? '')).arrayBuffer();
  expect(new Uint8Array(bytes)).toEqual(pngs[0]);
  const { data } = await (await served.call('GET', '/v1/images')).json();
  expect(data[0].request).toMatchObject({
    width: 128,
    seed: 7,
    negative_prompt: 'blue',
    steps: 3,
    loras: [
      { name: 'style', weight: 1 },
      { name: 'ink', weight: -0.5 },
    ],
  });
});

test.each([
  [{ model: 'other' }, OpenAI.UnprocessableEntityError, 'unknown_model', 'model'],
  [{ model: 'emoji+none:1' }, OpenAI.UnprocessableEntityError, 'unknown_lora', 'loras.0.name'],
  [{ model: 'emoji+style:3' }, OpenAI.UnprocessableEntityError, 'invalid_request', 'loras.0.weight'],
  [{ model: 'emoji+style:' }, OpenAI.UnprocessableEntityError, 'invalid_request', 'loras.0.weight'],
  [{ model: 'emoji+' }, OpenAI.UnprocessableEntityError, 'invalid_request', 'loras.0.name'],
  [{ size: '100x100' }, OpenAI.UnprocessableEntityError, 'invalid_request', 'width'],
  [{ size: 'large' }, OpenAI.UnprocessableEntityError, 'invalid_request', 'size'],
  [{ n: 9 }, OpenAI.UnprocessableEntityError, 'invalid_request', 'n'],
  [{ prompt: '' }, OpenAI.UnprocessableEntityError, 'invalid_request', 'prompt'],
  [{ stream: true }, OpenAI.UnprocessableEntityError, 'invalid_request', 'stream'],
])('images.generate with %j is refused as the client expects', async (wrong, kind, code, param) => {
  const { client, calls, queues } = await setUp();
  const body = { model: 'emoji', prompt: 'x', ...wrong };
  const error = await client()
    .post('/images/generations', { body })
    .catch((thrown) => thrown);
  expect(error).toBeInstanceOf(kind);
  expect(error).toMatchObject({ code, param, type: 'invalid_request_error', requestID: expect.any(String) });
  expect([calls(), queues.images.size()]).toEqual([1, 0]);
});

test('a wrong key is an AuthenticationError', async () => {
  const { client } = await setUp();
  const error = await client('sk-wrong')
    .images.generate({ model: 'emoji', prompt: 'x' })
    .catch((thrown) => thrown);
  expect(error).toBeInstanceOf(OpenAI.AuthenticationError);
  expect(error).toMatchObject({ status: 401, code: 'unauthorized', type: 'authentication_error' });
});

test('a job that takes too long is a 504 that names it, and is not asked for again', async () => {
  const { client, calls, bucket, call } = await setUp(0.05);
  const asked = { model: 'emoji', prompt: 'x' };
  const error = await client()
    .images.generate(asked)
    .catch((thrown) => thrown);
  expect(error).toBeInstanceOf(OpenAI.InternalServerError);
  expect(error).toMatchObject({ status: 504, code: 'not_yet', type: 'server_error' });
  expect(calls()).toBe(1);
  const { data } = await (await call('GET', '/v1/images')).json();
  expect(data.length).toBe(1);
  const place = error.headers.get('location');
  expect([place, error.message]).toEqual([`/v1/images/${data[0].id}`, expect.stringContaining(place)]);
  await finish(bucket, { tenant: 'alpha', id: data[0].id }, 'succeeded');
  expect(await (await call('GET', place)).json()).toMatchObject({ status: 'succeeded' });
});

test.each([
  [{ code: 'lora_mismatch', message: 'the LoRA is for another base' }, 422],
  [{ code: 'worker_failed', message: 'it is our fault' }, 500],
  [{ code: 'start_deadline_exceeded', message: 'no worker was free' }, 504],
])('a job that failed with %j is a %i', async (end, status) => {
  const served = await setUp();
  work(served, end);
  const error = await served
    .client()
    .images.generate({ model: 'emoji', prompt: 'x' })
    .catch((thrown) => thrown);
  expect(error).toMatchObject({ status, code: end.code, message: `${status} ${end.message}` });
  expect(served.calls()).toBe(1);
});

test('files: create, retrieve, list in pages, delete', async () => {
  const { client, call, bucket } = await setUp();
  const openai = client();
  const created = await openai.files.create({ file: await toFile(apple, 'apple.PNG'), purpose: 'vision' });
  expect(created).toMatchObject({ object: 'file', bytes: 3, filename: 'apple.PNG', purpose: 'vision', status: 'processed' });
  expect(Math.abs(created.created_at - Date.now() / 1000)).toBeLessThan(60);
  expect(await openai.files.retrieve(created.id)).toEqual(created);
  expect(new Uint8Array((await bucket.getBytes(keys.fileContent('alpha', created.id)))?.bytes ?? [])).toEqual(pngs[0]);
  await new Promise((resolve) => setTimeout(resolve, 2));
  const other = await openai.files.create({ file: await toFile(new Uint8Array(9), 'ink.safetensors'), purpose: 'fine-tune' });
  const seen: string[] = [];
  for await (const { id } of openai.files.list({ limit: 1 })) seen.push(id);
  expect(seen).toEqual([other.id, created.id]);

  // It is a file like any other: a picture may start from it.
  expect((await call('POST', '/v1/images', { model: 'emoji', prompt: 'x', image: created.id })).status).toBe(202);
  expect(await openai.files.delete(created.id)).toEqual({ id: created.id, object: 'file', deleted: true });
  await expect(openai.files.retrieve(created.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  await expect(openai.files.delete(created.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  expect(await bucket.head(keys.fileContent('alpha', created.id))).toBeUndefined();
});

test('files that are not taken, and other tenants’', async () => {
  const { client, beta, announce } = await setUp();
  const wrong = client().files.create({ file: await toFile(apple, 'a.gif', { type: 'image/gif' }), purpose: 'vision' });
  await expect(wrong).rejects.toMatchObject({
    status: 422,
    code: 'invalid_request',
    param: 'file',
    message: expect.stringContaining('a.gif'),
  });
  await expect(client().post('/files', { body: new FormData() })).rejects.toMatchObject({ status: 422 });
  const large = client().files.create({ file: await toFile(new Uint8Array(4 * 2 ** 20), 'a.png'), purpose: 'vision' });
  await expect(large).rejects.toMatchObject({ status: 413, code: 'too_large' });
  const { id } = await announce();
  const stranger = client(beta);
  await expect(stranger.files.retrieve(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  await expect(stranger.files.delete(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  expect((await stranger.files.list()).data).toEqual([]);
  // What was announced is shown as it was announced.
  expect(await client().files.retrieve(id)).toMatchObject({ name: 'a.png', uploaded: false });
});

test('models.list names the bases', async () => {
  const { client } = await setUp();
  expect((await client().models.list()).data).toMatchObject([{ name: 'emoji', object: 'model' }]);
});

test('POST /generate: a prompt and a LoRA’s name in, a data URI out', async () => {
  const served = await setUp();
  work(served);
  const post = async (body: object) => {
    const answer = await served.call('POST', '/generate', body);
    return { status: answer.status, body: await answer.json() };
  };
  const image = 'data:image/png;base64,AQID';
  expect(await post({ prompt: 'red apple', lora_name: 'style', strength: 0.7, steps: 5 })).toEqual({
    status: 200,
    body: { image },
  });
  const [job] = (await (await served.call('GET', '/v1/images')).json()).data;
  expect(job.request).toMatchObject({ model: 'emoji', steps: 5, n: 1, loras: [{ name: 'style', weight: 0.7 }] });
  expect(await post({ prompt: 'red apple' })).toEqual({ status: 200, body: { image } });

  await putRecord(served.bucket, keys.model('photo'), { ...model, name: 'photo' });
  expect(await post({ prompt: 'red apple' })).toMatchObject({
    status: 422,
    body: { error: { code: 'unknown_model', param: 'model' } },
  });
  expect((await post({ prompt: 'red apple', model: 'photo' })).status).toBe(200);
  expect((await post({ prompt: 'red apple', lora_name: 'style' })).status).toBe(200);
  expect(await post({ prompt: 'x', lora_name: 'none' })).toMatchObject({
    status: 422,
    body: { error: { code: 'unknown_lora', param: 'lora_name' } },
  });
  expect(await post({ prompt: 'x', strength: 9 })).toMatchObject({ status: 422, body: { error: { param: 'strength' } } });
  expect((await served.call('POST', '/generate', { prompt: 'x' }, null)).status).toBe(401);
});
