import { type Bucket, beginAttempt, images, keys, putRecord, trainings, updateAttempt } from '@loraloom/jobs';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { TenantLimits } from './limits.ts';
import { heldApp, testApp } from './test-app.ts';

// The clock is held, for a minute or a month might end in the middle of a test.
const start = Date.UTC(2026, 10, 25, 12, 0, 20);
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: start }));
afterEach(() => vi.useRealTimers());

async function setUp(limits: Partial<TenantLimits> = {}) {
  const app = await testApp();
  await putRecord(app.bucket, keys.limits('alpha'), limits);
  const draw = (more: object = {}, headers: Record<string, string> = {}, on = app.app) =>
    on.request('/v1/images', {
      method: 'POST',
      headers: { authorization: `Bearer ${app.alpha}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ model: 'emoji', prompt: 'red apple', ...more }),
    });
  const used = async () => (await (await app.call('GET', '/v1/usage')).json()).used;
  const end = async (id: string) => {
    const begun = await beginAttempt(app.bucket, images, 'alpha', id);
    await updateAttempt(app.bucket, images, 'alpha', begun, (job) => ({ ...job, status: 'failed' }));
  };
  return { ...app, draw, used, end };
}

/** A bucket that takes no job any more. */
const dying = (bucket: Bucket): Bucket => ({
  ...bucket,
  put: (key, ...rest) => (key.startsWith('tenants/') ? Promise.reject(new Error('power cut')) : bucket.put(key, ...rest)),
});
const codeOf = async (answer: Response): Promise<string> => (await answer.json()).error.code;
const statuses = (answers: Response[]) => answers.map(({ status }) => status).sort();
const idOf = async (answer: Response | Promise<Response>): Promise<string> => (await (await answer).json()).id;
const rateOf = ({ headers }: Response) => ['limit', 'remaining', 'reset'].map((name) => headers.get(`ratelimit-${name}`));

test('of 30 requests at once at 5 a minute exactly 5 are answered; the next minute has 5 more', async () => {
  const { call } = await setUp({ requests_per_minute_per_key: 5 });
  const answers = await Promise.all(Array.from({ length: 30 }, () => call('GET', '/v1/models')));
  expect(statuses(answers)).toEqual([...Array(5).fill(200), ...Array(25).fill(429)]);
  const refused = await call('GET', '/v1/models');
  expect([...rateOf(refused), refused.headers.get('retry-after')]).toEqual(['5', '0', '40', '40']);
  expect(await codeOf(refused)).toBe('rate_limited');
  vi.setSystemTime(start + 39_999);
  expect((await call('GET', '/v1/models')).status).toBe(429);
  vi.setSystemTime(start + 40_000);
  expect(rateOf(await call('GET', '/v1/models'))).toEqual(['5', '4', '60']);
});

test('each key has its own requests, and all of a tenant’s together have a bound; the tighter is told', async () => {
  const { call, keyOf } = await setUp({ requests_per_minute_per_key: 3, requests_per_minute: 4 });
  const other = await keyOf('alpha');
  const get = (key?: string) => call('GET', '/v1/models', undefined, key);
  expect(rateOf(await get())).toEqual(['3', '2', '40']);
  expect((await get()).status).toBe(200);
  expect((await get()).status).toBe(200);
  expect((await get()).status).toBe(429);
  // What was refused to one key is left for the others.
  expect(rateOf(await get(other))).toEqual(['4', '0', '40']);
  expect((await get(other)).status).toBe(429);
});

test('another tenant is not affected, nor is what needs no key', async () => {
  const { call, app, beta } = await setUp({ requests_per_minute: 0 });
  expect((await call('GET', '/v1/models')).status).toBe(429);
  expect(rateOf(await call('GET', '/v1/models', undefined, beta))).toEqual(['1800', '1799', '40']);
  const open = await app.request('/healthz');
  expect([open.status, open.headers.get('ratelimit-limit')]).toEqual([200, null]);
});

test('pictures of a month: what is left is given out exactly, and renewed with the month (UTC)', async () => {
  const { draw, used } = await setUp({ pictures_per_month: 10 });
  const answers = await Promise.all(Array.from({ length: 30 }, () => draw({ n: 2 })));
  expect(statuses(answers)).toEqual([...Array(5).fill(202), ...Array(25).fill(429)]);
  expect(await used()).toEqual({ pictures: 10, training_steps: 0, unfinished_jobs: 5 });
  const refused = await draw();
  expect(await refused.json()).toMatchObject({
    error: { code: 'quota_exceeded', message: expect.stringMatching(/2026-11.* 10 .* 0 are left/) },
  });
  const december = Date.UTC(2026, 11, 1);
  expect(refused.headers.get('retry-after')).toBe(`${(december - start) / 1000}`);
  vi.setSystemTime(december);
  expect((await draw()).status).toBe(202);
  expect(await used()).toMatchObject({ pictures: 1 });
});

test('training steps have a quota of their own', async () => {
  const { call, upload, used } = await setUp({ training_steps_per_month: 100 });
  const files = [{ file_id: await upload(), caption: 'red apple' }];
  const train = (steps: number) => call('POST', '/v1/trainings', { model: 'emoji', name: 'x', files, steps });
  expect(await codeOf(await train(101))).toBe('quota_exceeded');
  expect((await train(60)).status).toBe(202);
  expect(await codeOf(await train(41))).toBe('quota_exceeded');
  expect((await train(40)).status).toBe(202);
  expect(await used()).toMatchObject({ pictures: 0, training_steps: 100 });
});

test('what is refused costs nothing', async () => {
  const { draw, used, queues, bucket } = await setUp({ pictures_per_month: 3 });
  expect((await draw({ loras: [{ name: 'none' }] })).status).toBe(422);
  expect((await draw({ model: 'none' })).status).toBe(422);
  expect((await draw({ n: 4 })).status).toBe(429);
  expect(await used()).toEqual({ pictures: 0, training_steps: 0, unfinished_jobs: 0 });
  expect(queues.images.size()).toBe(0);
  expect((await bucket.list('tenants/alpha/images/')).keys).toEqual([]);
});

test('what is repeated is charged once: at once, after its end, and when nothing is left', async () => {
  const { draw, used, end } = await setUp({ pictures_per_month: 4, unfinished_jobs: 1 });
  const repeat = () => draw({ n: 4 }, { 'idempotency-key': 'order-1' });
  const answers = await Promise.all(Array.from({ length: 10 }, repeat));
  expect(statuses(answers)).toEqual(Array(10).fill(202));
  expect(await used()).toEqual({ pictures: 4, training_steps: 0, unfinished_jobs: 1 });
  expect((await repeat()).status).toBe(202);
  await end(await idOf(repeat()));
  expect(await used()).toMatchObject({ pictures: 4, unfinished_jobs: 0 });
  expect((await repeat()).status).toBe(200);
  expect(await used()).toMatchObject({ pictures: 4, unfinished_jobs: 0 });
});

test('another body under a used key is charged to nobody', async () => {
  const { draw, used } = await setUp();
  const key = { 'idempotency-key': 'order-1' };
  const bodies = await Promise.all([1, 2, 3, 1, 2, 3].map((n) => draw({ n }, key)));
  const accepted = bodies.filter(({ status }) => status === 202);
  const made = new Set(await Promise.all(accepted.map(async (answer) => (await answer.json()).request.n)));
  expect(made.size).toBe(1);
  expect(statuses(bodies).slice(accepted.length)).toEqual(Array(6 - accepted.length).fill(409));
  expect(await used()).toEqual({ pictures: [...made][0], training_steps: 0, unfinished_jobs: 1 });
  expect((await draw({ n: 8 }, key)).status).toBe(409);
  expect(await used()).toMatchObject({ pictures: [...made][0] });
});

test('a request that died after it was charged is not charged again when it is repeated', async () => {
  const { draw, used, services } = await setUp({ pictures_per_month: 4 });
  const app = heldApp({ ...services, bucket: dying(services.bucket) });
  expect((await draw({ n: 4 }, { 'idempotency-key': 'order-1' }, app)).status).toBe(500);
  expect(await used()).toEqual({ pictures: 4, training_steps: 0, unfinished_jobs: 1 });
  expect((await draw({ n: 4 }, { 'idempotency-key': 'order-1' })).status).toBe(202);
  expect(await used()).toEqual({ pictures: 4, training_steps: 0, unfinished_jobs: 1 });
});

test('and if it is never repeated, what it was charged comes back', async () => {
  const { draw, used, services } = await setUp({ pictures_per_month: 4, unfinished_jobs: 1 });
  const app = heldApp({ ...services, bucket: dying(services.bucket) });
  expect((await draw({ n: 4 }, {}, app)).status).toBe(500);
  expect(await codeOf(await draw())).toBe('quota_exceeded');
  vi.setSystemTime(start + 5 * 60_000);
  expect((await draw({ n: 3 })).status).toBe(202);
  expect(await used()).toEqual({ pictures: 3, training_steps: 0, unfinished_jobs: 1 });
});

test('so many jobs are unfinished and no more; one that ends, however it ends, makes room', async () => {
  const { call, draw, end } = await setUp({ unfinished_jobs: 5 });
  const answers = await Promise.all(Array.from({ length: 30 }, () => draw()));
  expect(statuses(answers)).toEqual([...Array(5).fill(202), ...Array(25).fill(429)]);
  const ids: string[] = await Promise.all(
    answers.filter(({ status }) => status === 202).map(async (answer) => (await answer.json()).id),
  );
  const refused = await draw();
  expect([refused.headers.get('retry-after'), await codeOf(refused)]).toEqual(['5', 'too_many_jobs']);
  // The newest ends first; nobody tells the limits.
  await end(ids[4] ?? '');
  expect((await draw()).status).toBe(202);
  expect((await draw()).status).toBe(429);
  await call('POST', `/v1/images/${ids[0]}/cancel`);
  await call('POST', `/v1/images/${ids[1]}/cancel`);
  expect(statuses(await Promise.all(Array.from({ length: 10 }, () => draw())))).toEqual([202, 202, ...Array(8).fill(429)]);
});

test('long trainings in front of them do not hide pictures that have ended', async () => {
  const { call, draw, end, upload, bucket } = await setUp({ unfinished_jobs: 30 });
  const files = [{ file_id: await upload(), caption: 'red apple' }];
  for (let i = 0; i < 29; i++) {
    vi.setSystemTime(start + i);
    const { id } = await (await call('POST', '/v1/trainings', { model: 'emoji', name: 'x', files, steps: 1 })).json();
    await beginAttempt(bucket, trainings, 'alpha', id);
  }
  const picture = await idOf(draw());
  expect((await draw()).status).toBe(429);
  await end(picture);
  expect((await draw()).status).toBe(202);
});

test('usage tells limits and what is used of them, this tenant’s alone', async () => {
  const { call, draw, beta } = await setUp({ pictures_per_month: 7 });
  await draw({ n: 3 });
  expect(await (await call('GET', '/v1/usage')).json()).toEqual({
    object: 'usage',
    month: '2026-11',
    resets_at: '2026-12-01T00:00:00.000Z',
    limits: {
      requests_per_minute: 6000,
      requests_per_minute_per_key: 1800,
      pictures_per_month: 7,
      training_steps_per_month: 2_000_000,
      unfinished_jobs: 200,
    },
    used: { pictures: 3, training_steps: 0, unfinished_jobs: 1 },
  });
  const other = await (await call('GET', '/v1/usage', undefined, beta)).json();
  expect([other.used.pictures, other.limits.pictures_per_month]).toEqual([0, 100_000]);
});

test('limits that an operator changes hold within a minute', async () => {
  const { draw, bucket } = await setUp({ pictures_per_month: 0 });
  expect((await draw()).status).toBe(429);
  await putRecord(bucket, keys.limits('alpha'), { pictures_per_month: 1 });
  vi.setSystemTime(start + 60_000);
  expect((await draw()).status).toBe(202);
});

test('a token’s job that its tenant has no quota for is not charged to the token', async () => {
  const { call, used } = await setUp({ pictures_per_month: 1 });
  const { token } = await (await call('POST', '/v1/tokens', { scopes: ['images'], quota: { pictures: 2 } })).json();
  const draw = (n: number) => call('POST', '/v1/images', { model: 'emoji', prompt: 'x', n }, token);
  expect(await codeOf(await draw(2))).toBe('quota_exceeded');
  expect((await draw(1)).status).toBe(202);
  expect(await used()).toMatchObject({ pictures: 1 });
});
