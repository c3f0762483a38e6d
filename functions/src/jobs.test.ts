import { type Bucket, beginAttempt, images, keys, newId, trainings, updateAttempt } from '@loraloom/jobs';
import { expect, test } from 'vitest';
import { heldApp, testApp } from './test-app.ts';

// Trainings and images share their life, so they share these tests: a row for each.
const kinds = ['trainings', 'images'] as const;

/** Of a view, what the record says; the rest is of the moment. */
function lasting({ urls: _, queue_position: __, estimated_seconds: ___, ...record }: Record<string, unknown>) {
  return record;
}

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
  expect(lasting(await (await call('GET', `/v1/${kind}/${job.id}`)).json())).toEqual(lasting(job));
  const [message] = await queues[kind].receive({ maxMessages: 10 });
  expect(JSON.parse(message?.body ?? '')).toEqual({ kind: job.object, tenant: 'alpha', id: job.id, trace: job.trace });
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
  expect(lasting(bodies[1])).toEqual(lasting(bodies[0]));
  expect(lasting(bodies[2])).toEqual(lasting(bodies[0]));
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
  const app = heldApp({ ...services, bucket: far });
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
  // Canceled while queued; asked to stop, but the worker was done before it looked; too late.
  const legal = ['200 canceled true', '200 succeeded true', '409 succeeded false'];
  const seen = new Set<string>();
  // Which of them come, a busy machine decides: a hundred at a time, until all have.
  for (let round = 0; round < 20 && seen.size < legal.length; round++) {
    for (const end of await Promise.all(Array.from({ length: 100 }, race))) seen.add(end);
  }
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
  for (const other of others) expect(lasting(other)).toEqual(lasting(first));
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
  const short = heldApp({ ...services, waitSeconds: 0.05 });
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
  const { model, prompt, negative_prompt, seed, sampler, steps, guidance_scale, width, height } = begun.request;
  const receipt = {
    model,
    prompt,
    negative_prompt,
    seed,
    sampler,
    steps,
    guidance_scale,
    width,
    height,
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
  const app = heldApp({ ...services, queues: { ...queues, images } });
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

test('PUT: an id of the caller’s own makes one job, and another body is a conflict', async () => {
  const { call, queues, beta } = await setUp();
  const id = newId('image');
  const put = async (body: object, to = id, key?: string) => {
    const answer = await call('PUT', `/v1/images/${to}`, body, key);
    return { status: answer.status, location: answer.headers.get('location'), body: await answer.json() };
  };
  const request = { model: 'emoji', prompt: 'red apple' };
  const [first, ...others] = await Promise.all(Array.from({ length: 6 }, () => put(request)));
  expect(first).toMatchObject({ status: 202, location: `/v1/images/${id}`, body: { id, status: 'queued' } });
  for (const other of others) expect(other.body.request).toEqual(first?.body.request);
  expect((await (await call('GET', '/v1/images')).json()).data.length).toBe(1);
  expect(await put({ ...request, prompt: 'green pear' })).toMatchObject({
    status: 409,
    body: { error: { code: 'id_taken', param: 'id' } },
  });
  // Another tenant's is another job.
  expect((await put({ ...request, prompt: 'green pear' }, id, beta)).status).toBe(202);
  for (const time of [Date.now() - 8 * 86_400_000, Date.now() + 3_600_000]) {
    const odd = { status: 422, body: { error: { code: 'odd_id', param: 'id' } } };
    expect(await put(request, newId('image', time))).toMatchObject(odd);
  }
  expect(await put(request, 'img_x')).toMatchObject({ status: 404 });
  expect(queues.images.size()).toBeGreaterThanOrEqual(2);
});

/** Ends a job as a worker does, with pictures of these bytes. */
async function succeed(bucket: Bucket, id: string, contents: Uint8Array[], more: { expires_at?: string } = {}) {
  const begun = await beginAttempt(bucket, images, 'alpha', id);
  const { n: _, ...asked } = begun.request;
  const receipt = { ...asked, image: undefined, model_digest: 'd', engine_version: '1', loras: [] };
  const pictures = contents.map((bytes, index) => {
    const key = keys.picture('alpha', id, index);
    const about = { index, seed: 1, width: 8, height: 8, content_type: 'image/png' as const, sha256: 'x', receipt, key };
    return { about, stored: bucket.put(key, bytes, { contentType: 'image/png' }) };
  });
  await Promise.all(pictures.map(({ stored }) => stored));
  const output = { images: pictures.map(({ about }) => about), ...more };
  await updateAttempt(bucket, images, 'alpha', begun, (job) => ({ ...job, status: 'succeeded', output }));
}

test('pictures come as URLs, in base 64, or as data URIs; too large ones as URLs alone', async () => {
  const { create, call, bucket } = await setUp();
  const show = async (id: string, format: string) => (await call('GET', `/v1/images/${id}?response_format=${format}`)).json();
  const { id } = await (await create('images')).json();
  await succeed(bucket, id, [new Uint8Array([1, 2, 3]), new Uint8Array([255])]);
  const shown = async (format: string, field: string) =>
    (await show(id, format)).output.images.map((picture: Record<string, unknown>) => picture[field]);
  expect(await shown('b64_json', 'b64_json')).toEqual(['AQID', '/w==']);
  expect(await shown('data_uri', 'data_uri')).toEqual(['data:image/png;base64,AQID', 'data:image/png;base64,/w==']);
  expect(await shown('url', 'b64_json')).toEqual([undefined, undefined]);
  expect((await shown('b64_json', 'url')).every((url: string) => URL.canParse(url))).toBe(true);
  expect((await call('GET', `/v1/images/${id}?response_format=png`)).status).toBe(422);
  const answer = await call('POST', '/v1/images?response_format=b64_json', { model: 'emoji', prompt: 'x' });
  expect(answer.status).toBe(202);

  const large = (await (await create('images')).json()).id;
  const bytes = new Uint8Array(3 * 2 ** 20).fill(7);
  await succeed(bucket, large, [bytes, bytes]);
  expect((await show(large, 'b64_json')).output.images.map(({ b64_json }: { b64_json: unknown }) => b64_json)).toEqual([
    null,
    null,
  ]);
  const alone = (await (await create('images')).json()).id;
  await succeed(bucket, alone, [bytes]);
  const { b64_json } = (await show(alone, 'b64_json')).output.images[0];
  expect(Buffer.from(b64_json, 'base64').equals(bytes)).toBe(true);
});

test('pictures that were removed are told from those that never were', async () => {
  const { create, call, bucket } = await setUp();
  const [gone, there] = await Promise.all(
    [create('images'), create('images')].map(async (made) => (await (await made).json()).id),
  );
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
  await succeed(bucket, gone, [new Uint8Array([1])], { expires_at: new Date(Date.now() - 1).toISOString() });
  await succeed(bucket, there, [new Uint8Array([1])], { expires_at: tomorrow });
  const answer = await call('GET', `/v1/images/${gone}`);
  expect([answer.status, await answer.json()]).toMatchObject([410, { error: { code: 'expired', param: 'id' } }]);
  expect(await (await call('GET', `/v1/images/${there}`)).json()).toMatchObject({ output: { expires_at: tomorrow } });
  const { data } = await (await call('GET', '/v1/images')).json();
  expect(Object.fromEntries(data.map((job: { id: string; output: unknown }) => [job.id, job.output === null]))).toEqual({
    [gone]: true,
    [there]: false,
  });
});

test('a queued job says how many wait and how long it may take, and can be watched without the API', async () => {
  const { create, call, bucket, services, alpha } = await setUp();
  for (let i = 0; i < 3; i++) await create('images');
  const { id, urls } = await (await create('images')).json();
  // Counted once in five seconds: another app's first look.
  await bucket.put(
    keys.pace('images', 'one'),
    Buffer.from(JSON.stringify({ jobs_per_second: 0.5, measured_at: new Date().toISOString() })),
  );
  await bucket.put(
    keys.pace('images', 'two'),
    Buffer.from(JSON.stringify({ jobs_per_second: 1.5, measured_at: new Date().toISOString() })),
  );
  const old = new Date(Date.now() - 600_000).toISOString();
  await bucket.put(keys.pace('images', 'gone'), Buffer.from(JSON.stringify({ jobs_per_second: 9, measured_at: old })));
  const queues = { ...services.queues, images: { ...services.queues.images, waiting: async () => 7 } };
  const other = heldApp({ ...services, bucket, queues });
  const look = async () => (await other.request(`/v1/images/${id}`, { headers: { authorization: `Bearer ${alpha}` } })).json();
  // Seven and this one, at two a second.
  expect(await look()).toMatchObject({ queue_position: 7, estimated_seconds: 4 });

  const poll = async () => (await bucket.fetch(urls.poll)).json();
  expect(await poll()).toMatchObject({ id, status: 'queued' });
  const begun = await beginAttempt(bucket, images, 'alpha', id);
  await updateAttempt(bucket, images, 'alpha', begun, (job) => ({
    ...job,
    progress: { ...job.progress, step: 5, seconds_left: 2 },
  }));
  expect(await poll()).toMatchObject({ status: 'running', progress: { step: 5 } });
  expect(await look()).toMatchObject({ queue_position: null, estimated_seconds: 2 });
  expect(await (await call('POST', `/v1/images/${id}/cancel`)).json()).toMatchObject({ urls: { self: `/v1/images/${id}` } });
  expect(await poll()).toMatchObject({ cancel_requested: true });
});
