import { type Bucket, beginAttempt, images, keys, newId, trainings, updateAttempt } from '@loraloom/jobs';
import { expect, test } from 'vitest';
import { createApp } from './app.ts';
import { testApp } from './test-app.ts';

// Trainings and images share their life, so they share these tests: a row for each.
const kinds = ['trainings', 'images'] as const;

async function setUp() {
  const app = await testApp();
  async function create(kind: (typeof kinds)[number], key = app.alpha) {
    const request =
      kind === 'images'
        ? { model: 'emoji', prompt: 'red apple' }
        : { model: 'emoji', name: 'style', files: [{ file_id: await app.upload(key), caption: 'red apple' }] };
    return app.call('POST', `/v1/${kind}`, request, key);
  }
  return { ...app, create };
}

test.each(kinds)('POST /v1/%s: 202, the record, where and when to look, and one message', async (kind) => {
  const { create, call, queues } = await setUp();
  const answer = await create(kind);
  expect(answer.status).toBe(202);
  const job = await answer.json();
  expect(job).toMatchObject({ status: 'queued', cancel_requested: false, attempts: 0, error: null, output: null });
  expect(answer.headers.get('location')).toBe(`/v1/${kind}/${job.id}`);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await (await call('GET', `/v1/${kind}/${job.id}`)).json()).toEqual(job);
  const [message] = await queues[kind].receive({ maxMessages: 10 });
  expect(JSON.parse(message?.body ?? '')).toEqual({ kind: job.object, tenant: 'alpha', id: job.id });
  expect(queues.trainings.size() + queues.images.size()).toBe(1);
});

test.each(kinds)('GET /v1/%s: newest first, in pages', async (kind) => {
  const { create, call } = await setUp();
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) {
    ids.unshift((await (await create(kind)).json()).id);
    // Ids made within one millisecond have no order.
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const idsOf = (page: { data: { id: string }[] }) => page.data.map(({ id }) => id);
  const first = await (await call('GET', `/v1/${kind}?limit=2`)).json();
  expect(idsOf(first)).toEqual(ids.slice(0, 2));
  const second = await (await call('GET', `/v1/${kind}?limit=2&after=${first.next}`)).json();
  expect(idsOf(second)).toEqual(ids.slice(2));
  expect(second.next).toBeNull();
  expect(idsOf(await (await call('GET', `/v1/${kind}`)).json())).toEqual(ids);
});

test.each(kinds)('POST /v1/%s/{id}/cancel: a queued job ends at once, two cancels at once agree', async (kind) => {
  const { create, call } = await setUp();
  const { id } = await (await create(kind)).json();
  const answers = await Promise.all([1, 2, 3].map(() => call('POST', `/v1/${kind}/${id}/cancel`)));
  const bodies = await Promise.all(answers.map((answer) => answer.json()));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(bodies[0]).toMatchObject({ id, status: 'canceled', cancel_requested: true });
  expect(bodies[1]).toEqual(bodies[0]);
  expect(bodies[2]).toEqual(bodies[0]);
});

test('a running job is asked to stop; one that has ended cannot be canceled', async () => {
  const { create, call, bucket } = await setUp();
  const { id } = await (await create('images')).json();
  const begun = await beginAttempt(bucket, images, 'alpha', id);
  expect(await (await call('POST', `/v1/images/${id}/cancel`)).json()).toMatchObject({
    status: 'running',
    cancel_requested: true,
  });

  const other = (await (await create('trainings')).json()).id;
  const attempt = await beginAttempt(bucket, trainings, 'alpha', other);
  const error = { code: 'not_a_picture', message: 'files.0 is not a picture', param: 'files.0.file_id' };
  await updateAttempt(bucket, trainings, 'alpha', attempt, (job) => ({ ...job, status: 'failed', error }));
  const refused = await call('POST', `/v1/trainings/${other}/cancel`);
  expect(refused.status).toBe(409);
  expect(await refused.json()).toMatchObject({ error: { code: 'already_finished', param: 'id' } });
  expect(await (await call('GET', `/v1/trainings/${other}`)).json()).toMatchObject({ status: 'failed', error });
  expect(begun.attempts).toBe(1);
});

test('cancel against worker: whoever comes first, both see the same end', async () => {
  const { create, call, bucket, services, alpha } = await setUp();
  // A seeded network: every read and write takes 0 to 3 milliseconds.
  let state = 1;
  const travel = () => {
    state = (state * 48271) % 2147483647;
    return new Promise((resolve) => setTimeout(resolve, state % 4));
  };
  const far: Bucket = {
    ...bucket,
    getBytes: async (...read) => travel().then(() => bucket.getBytes(...read)),
    put: async (...write) => travel().then(() => bucket.put(...write)),
  };
  const app = createApp({ ...services, bucket: far });
  const race = async () => {
    const { id } = await (await create('images')).json();
    const work = async () => {
      // The API has read the key and the limits meanwhile.
      await travel();
      await travel();
      await travel();
      const begun = await beginAttempt(far, images, 'alpha', id);
      if (begun.status !== 'running') return;
      await updateAttempt(far, images, 'alpha', begun, (job) => ({ ...job, status: 'succeeded', output: { images: [] } }));
    };
    const headers = { authorization: `Bearer ${alpha}` };
    const [answer] = await Promise.all([app.request(`/v1/images/${id}/cancel`, { method: 'POST', headers }), work()]);
    const end = await (await call('GET', `/v1/images/${id}`)).json();
    return `${answer.status} ${end.status} ${end.cancel_requested}`;
  };
  const seen = new Set(await Promise.all(Array.from({ length: 100 }, race)));
  // Canceled while queued; asked to stop, but the worker was done before it looked; too late.
  const legal = ['200 canceled true', '200 succeeded true', '409 succeeded false'];
  expect([...seen].sort()).toEqual(legal);
});

test.each(kinds)('POST /v1/%s with an Idempotency-Key: one job, however often and at once it is sent', async (kind) => {
  const { app, alpha, beta, call, upload, queues } = await setUp();
  const request =
    kind === 'images'
      ? { model: 'emoji', prompt: 'red apple' }
      : { model: 'emoji', name: 'style', files: [{ file_id: await upload(), caption: 'red apple' }] };
  const post = (body: object, key = 'order-1', who = alpha) =>
    app.request(`/v1/${kind}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${who}`, 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify(body),
    });
  const answers = await Promise.all(Array.from({ length: 8 }, () => post(request)));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
  const [first, ...others] = await Promise.all(answers.map((answer) => answer.json()));
  for (const other of others) expect(other).toEqual(first);
  expect((await (await call('GET', `/v1/${kind}`)).json()).data.length).toBe(1);

  const changed = await post(kind === 'images' ? { ...request, prompt: 'green pear' } : { ...request, steps: 7 });
  expect(changed.status).toBe(409);
  expect(await changed.json()).toMatchObject({ error: { code: 'idempotency_key_reused', param: 'Idempotency-Key' } });
  expect((await (await post(request, 'order-2')).json()).id).not.toBe(first.id);
  // Another tenant's key of the same name is another key.
  if (kind === 'images') expect((await (await post(request, 'order-1', beta)).json()).id).not.toBe(first.id);
  // A body that was refused did not use the key up.
  expect((await post({ ...request, model: 'none' }, 'order-3')).status).toBe(422);
  expect((await post(request, 'order-3')).status).toBe(202);
  expect((await post(request, 'x'.repeat(256))).status).toBe(422);
  expect(queues[kind].size()).toBeGreaterThan(0);
});

test('Prefer: wait holds the answer back until the job has ended, or the time is over', async () => {
  const { app, alpha, bucket, services } = await setUp();
  const post = (prefer: string, on = app) =>
    on.request('/v1/images', {
      method: 'POST',
      headers: { authorization: `Bearer ${alpha}`, 'content-type': 'application/json', 'idempotency-key': 'one', prefer },
      body: JSON.stringify({ model: 'emoji', prompt: 'red apple' }),
    });
  const begun = Date.now();
  const early = await post('respond-async, wait=1');
  expect([early.status, early.headers.get('preference-applied')]).toEqual([202, 'wait']);
  expect(Date.now() - begun).toBeGreaterThanOrEqual(990);
  const { id } = await early.json();

  const waiting = post('wait=30');
  const attempt = await beginAttempt(bucket, images, 'alpha', id);
  await updateAttempt(bucket, images, 'alpha', attempt, (job) => ({ ...job, status: 'succeeded', output: { images: [] } }));
  const ended = await waiting;
  expect(ended.status).toBe(200);
  expect(await ended.json()).toMatchObject({ id, status: 'succeeded' });
  // A gateway's limit is the shorter one.
  const short = createApp({ ...services, waitSeconds: 0.05 });
  const other = await short.request('/v1/images', {
    method: 'POST',
    headers: { authorization: `Bearer ${alpha}`, 'content-type': 'application/json', prefer: 'wait=20' },
    body: JSON.stringify({ model: 'emoji', prompt: 'blue pear' }),
  });
  expect(other.status).toBe(202);
});

test('an image that has succeeded has a URL for each picture in place of its key', async () => {
  const { create, call, bucket } = await setUp();
  const { id } = await (await create('images')).json();
  const begun = await beginAttempt(bucket, images, 'alpha', id);
  const key = keys.picture('alpha', id, 0);
  await bucket.put(key, new Uint8Array([7, 8, 9]), { contentType: 'image/png' });
  const { model, prompt, negative_prompt, seed, sampler, steps, guidance_scale } = begun.request;
  const receipt = {
    model,
    prompt,
    negative_prompt,
    seed,
    sampler,
    steps,
    guidance_scale,
    model_digest: 'd',
    loras: [],
    engine_version: '1',
  };
  const picture = { index: 0, seed, width: 128, height: 128, content_type: 'image/png' as const, sha256: 'x', receipt };
  await updateAttempt(bucket, images, 'alpha', begun, (job) => ({
    ...job,
    status: 'succeeded',
    output: { images: [{ ...picture, key }] },
  }));
  for (const path of [`/v1/images/${id}`, '/v1/images']) {
    const answer = await (await call('GET', path)).json();
    const { url, ...rest } = (answer.data?.[0] ?? answer).output.images[0];
    expect(rest).toEqual(picture);
    expect(new Uint8Array(await (await bucket.fetch(url)).arrayBuffer())).toEqual(new Uint8Array([7, 8, 9]));
  }
});

test('a queue that cannot be reached delays a job, and is logged; it does not refuse the job', async () => {
  const { services, queues, logged, alpha } = await testApp();
  const images = { ...queues.images, send: () => Promise.reject(new Error('unreachable')) };
  const app = createApp({ ...services, queues: { ...queues, images } });
  const answer = await app.request('/v1/images', {
    method: 'POST',
    headers: { authorization: `Bearer ${alpha}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'emoji', prompt: 'red apple' }),
  });
  expect(answer.status).toBe(202);
  expect(logged).toEqual([
    { level: 'warn', request_id: answer.headers.get('x-request-id'), message: 'not yet sent: Error: unreachable' },
  ]);
});

test('tenants do not see, list, use or cancel what is another’s', async () => {
  const { create, call, announce, upload, beta } = await setUp();
  const file = await upload();
  const { id: promised } = await announce();
  const training = (await (await create('trainings')).json()).id;
  const image = (await (await create('images')).json()).id;

  for (const [method, path] of [
    ['GET', `/v1/files/${file}`],
    ['GET', `/v1/files/${promised}`],
    ['GET', `/v1/trainings/${training}`],
    ['POST', `/v1/trainings/${training}/cancel`],
    ['GET', `/v1/images/${image}`],
    ['POST', `/v1/images/${image}/cancel`],
    ['GET', '/v1/loras/style'],
  ] as const) {
    const answer = await call(method, path, undefined, beta);
    const { error } = await answer.json();
    // The same answer, word for word, as for an id that nobody has.
    const unknown = path.replace(/_\w{26}/, (id) => newId('file').slice(-id.length));
    const other = await (await call(method, unknown, undefined, beta)).json();
    const strip = (text: string) => text.replaceAll(/\w+_\w{26}/g, '');
    expect([answer.status, error.code, strip(error.message)]).toEqual([404, other.error.code, strip(other.error.message)]);
  }
  for (const path of ['/v1/trainings', '/v1/images', '/v1/loras', `/v1/images?after=${image}`]) {
    expect((await (await call('GET', path, undefined, beta)).json()).data).toEqual([]);
  }
  const theirs = { model: 'emoji', name: 'x', files: [{ file_id: file, caption: '' }] };
  expect((await call('POST', '/v1/trainings', theirs, beta)).status).toBe(422);
  const prompt = { model: 'emoji', prompt: 'x', loras: [{ name: 'style' }] };
  expect((await call('POST', '/v1/images', prompt, beta)).status).toBe(422);
  expect(await (await call('GET', `/v1/images/${image}`)).json()).toMatchObject({ status: 'queued' });
});
