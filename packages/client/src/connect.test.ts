import { afterEach, expect, test, vi } from 'vitest';
import { LoraloomError } from './error.ts';
import { canned, hurry, json, refusal, training } from './test-client.ts';

afterEach(() => vi.useRealTimers());

test('a call carries the key, and JSON both ways', async () => {
  const { client, sent } = canned(json(training('queued', 0), 202));
  const request = { model: 'emoji', name: 'style', files: [] };
  expect(await client.trainings.create(request)).toEqual(training('queued', 0));
  const [call] = sent;
  expect([call?.method, call?.url]).toEqual(['POST', 'https://api.example/v1/trainings']);
  expect(call?.headers.get('authorization')).toBe('Bearer ll_secret');
  expect(call?.headers.get('content-type')).toBe('application/json');
  expect(await call?.json()).toEqual(request);
});

test('pages are asked for by limit and after', async () => {
  const { client, sent } = canned(json({ object: 'list', data: [], next: null }));
  await client.images.list({ limit: 5, after: 'img_1' });
  expect(sent[0]?.url).toBe('https://api.example/v1/images?limit=5&after=img_1');
});

test('a refusal is a typed error, at once', async () => {
  const { client, sent } = canned(refusal(422, 'unknown_model'));
  const error = await client.images.create({ model: 'm', prompt: 'p' }).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(LoraloomError);
  expect(error).toMatchObject({ status: 422, code: 'unknown_model', message: 'it is unknown_model', param: 'x', requestId: 'r' });
  expect(sent.length).toBe(1);
});

test('an error carries what moderation or the preflight found, and when to come again', async () => {
  const told = { category: 'violence', score: 0.9, threshold: 0.7, stage: 'prompt' };
  const finding = { code: 'duplicate_picture', severity: 'error', file: null, message: 'm', what_to_do: 'w' };
  const { client } = canned(
    refusal(422, 'content_refused', { refusal: told }),
    refusal(422, 'preflight_failed', { findings: [finding] }),
    refusal(504, 'not_yet', {}, { 'retry-after': '2', 'x-should-retry': 'false' }),
  );
  const error = () => client.images.create({ model: 'm', prompt: 'p' }).catch((error: unknown) => error);
  expect(await error()).toMatchObject({ code: 'content_refused', refusal: told, findings: [], retryAfterSeconds: null });
  expect(await error()).toMatchObject({ code: 'preflight_failed', refusal: null, findings: [finding] });
  // At once: what the API says not to ask again for is not.
  expect(await error()).toMatchObject({ status: 504, code: 'not_yet', retryAfterSeconds: 2 });
});

test.each([
  ['<html>Bad gateway</html>', 'unexpected_answer', /Bad gateway/],
  ['', 'unexpected_answer', /.*/],
  ['{"message":"Forbidden"}', 'unexpected_answer', /Forbidden/],
  ['null', 'unexpected_answer', /null/],
])('an error that is not the API’s own (%j) is an error all the same', async (body, code, message) => {
  const { client } = canned(new Response(body, { status: 403 }));
  const error = await client.images.get('img_1').catch((error: unknown) => error);
  expect(error).toMatchObject({ status: 403, code, message: expect.stringMatching(message), param: null, requestId: null });
});

test('what may be done twice is tried again: reading, cancelling', async () => {
  vi.useFakeTimers();
  const { client, sent } = canned(new Error('reset'), refusal(503, 'busy'), json(training('canceled', 0)));
  expect(await hurry(vi, client.trainings.cancel('trn_1'))).toMatchObject({ status: 'canceled' });
  expect(sent.length).toBe(3);
});

test('creating is tried again under the same key, so that there is one job', async () => {
  vi.useFakeTimers();
  const { client, sent } = canned(
    new Error('reset'),
    refusal(503, 'busy'),
    json(training('queued', 0), 202),
    json({}, 202),
    json({}, 202),
  );
  await hurry(vi, client.trainings.create({ model: 'm', name: 'n', files: [] }));
  const keys = sent.map(({ headers }) => headers.get('idempotency-key'));
  expect(keys).toEqual([keys[0], keys[0], keys[0]]);
  expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
  await client.images.create({ model: 'm', prompt: 'p' });
  expect(sent[3]?.headers.get('idempotency-key')).not.toBe(keys[0]);
  await client.images.create({ model: 'm', prompt: 'p' }, { idempotencyKey: 'order-4711', waitSeconds: 19.5 });
  expect(sent[4]?.headers.get('idempotency-key')).toBe('order-4711');
  expect(sent[4]?.headers.get('prefer')).toBe('wait=20');
});

test('where there are no random keys, creating is not tried again: it would be a second job', async () => {
  vi.stubGlobal('crypto', {});
  const { client, sent } = canned(new Error('reset'));
  const error = await client.images.create({ model: 'm', prompt: 'p' }).catch((error: unknown) => error);
  vi.unstubAllGlobals();
  expect(error).toMatchObject({ status: 0, code: 'no_answer' });
  expect(sent.length).toBe(1);
});

test('gives up after four tries; waits as long as the server asks', async () => {
  vi.useFakeTimers({ now: 0 });
  const busy = () => new Response('{}', { status: 429, headers: { 'retry-after': '7' } });
  const { client, sent } = canned(busy, busy, busy, busy);
  await expect(hurry(vi, client.models.list())).rejects.toMatchObject({ status: 429 });
  expect(sent.length).toBe(4);
  expect(Date.now()).toBeGreaterThanOrEqual(21_000);
});

test('does not wait for what takes longer than a minute, such as next month’s quota', async () => {
  const { client, sent } = canned(new Response('{}', { status: 429, headers: { 'retry-after': '61' } }));
  await expect(client.models.list()).rejects.toMatchObject({ status: 429 });
  expect(sent.length).toBe(1);
});

test('an upload announces size and digest, sends the bytes where it is told to, and again if the line breaks', async () => {
  vi.useFakeTimers();
  const upload = {
    method: 'PUT',
    url: 'https://bucket.example/content?sig',
    headers: { 'content-type': 'image/png', 'x-amz-checksum-sha256': 'A5' },
  };
  const { client, sent } = canned(json({ id: 'file_1', uploaded: false, upload }, 201), new Error('reset'), new Response());
  const picture = new Blob([new Uint8Array([1, 2, 3])]);
  const file = await hurry(vi, client.files.upload(picture, { name: 'a.png', contentType: 'image/png' }));
  expect(file).toEqual({ id: 'file_1', uploaded: true });
  expect(await sent[0]?.json()).toEqual({
    name: 'a.png',
    content_type: 'image/png',
    size_bytes: 3,
    // sha256sum of the bytes 1, 2, 3
    sha256: '039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81',
  });
  expect(sent.length).toBe(3);
  for (const put of sent.slice(1)) {
    expect([put.method, put.url]).toEqual(['PUT', upload.url]);
    expect(put.headers.get('x-amz-checksum-sha256')).toBe('A5');
    // The key is for the API, not for the bucket.
    expect(put.headers.get('authorization')).toBeNull();
    expect(new Uint8Array(await put.arrayBuffer())).toEqual(new Uint8Array([1, 2, 3]));
  }
});

test('wait yields each change once, the end last; it looks less and less often while nothing changes', async () => {
  vi.useFakeTimers({ now: 0 });
  const looks: number[] = [];
  const states = [training('queued', 0), ...Array.from({ length: 12 }, () => training('running', 1)), training('succeeded', 10)];
  const { client } = canned(
    ...states.map((state) => () => {
      looks.push(Date.now());
      return json(state);
    }),
  );
  const seen: string[] = [];
  const all = async () => {
    for await (const { status, progress } of client.trainings.follow(training('queued', 0)))
      seen.push(`${status} ${progress.step}`);
  };
  await hurry(vi, all());
  expect(seen).toEqual(['queued 0', 'running 1', 'succeeded 10']);
  const pauses = looks.slice(1).map((look, i) => look - (looks[i] ?? 0));
  expect(looks[0]).toBe(250);
  expect(Math.max(...pauses)).toBe(3000);
  expect(Math.min(...pauses)).toBeGreaterThanOrEqual(250);
});

test('a job that has ended already is not asked for', async () => {
  const { client, sent } = canned();
  expect(await client.trainings.wait(training('failed', 3))).toMatchObject({ status: 'failed' });
  expect(sent.length).toBe(0);
});

test('an abort ends the wait with its reason, also in the middle of a pause', async () => {
  const { client } = canned(json(training('running', 1)));
  const aborting = new AbortController();
  const reason = new Error('enough');
  setTimeout(() => aborting.abort(reason), 20);
  const started = Date.now();
  await expect(
    client.trainings.wait(training('queued', 0), { signal: aborting.signal, firstPauseSeconds: 60, longestPauseSeconds: 60 }),
  ).rejects.toBe(reason);
  expect(Date.now() - started).toBeLessThan(5000);
  await expect(client.images.get('img_1', { signal: aborting.signal })).rejects.toBe(reason);
});
