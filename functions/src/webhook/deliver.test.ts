import {
  beginAttempt,
  cancelJob,
  createImage,
  type DeliveryRecord,
  deliveryRecordSchema,
  endMessageSchema,
  imageRequestSchema,
  images,
  keys,
  listDeliveries,
  putRecord,
  rotateWebhookSecret,
  sweepOutbox,
  tellEnd,
  updateAttempt,
  webhookSecret,
} from '@loraloom/jobs';
import { memoryBucket } from '@loraloom/jobs/bucket/memory';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { Killed, mortal, seeded, unrulyQueue } from '../batch/test-batch.ts';
import { model } from '../test-app.ts';
import { BlockedAddress, type DeliveryServices, deliver, type Post } from './deliver.ts';

const tenant = 'alpha';
const url = 'https://shop.example/hooks';

/** An image with a webhook, a clock that is set by hand, and a receiver that answers as it is told. */
async function setUp(answer: () => number | Error = () => 200) {
  const bucket = memoryBucket();
  const random = seeded(3);
  const queue = () => unrulyQueue(random, 0);
  const queues = { trainings: queue(), images: queue(), batches: queue(), webhooks: queue() };
  await putRecord(bucket, keys.model('emoji'), model);
  const posts: { at: number; url: string; headers: Record<string, string>; body: string }[] = [];
  const clock = { now: Date.parse('2026-11-25T12:00:00.000Z') };
  const delays: number[] = [];
  const post: Post = async (to, headers, body) => {
    posts.push({ at: clock.now, url: to, headers, body });
    const status = answer();
    if (status instanceof Error) throw status;
    return { status };
  };
  const webhooks = {
    ...queues.webhooks,
    async send(body: string, options: { delaySeconds?: number } = {}) {
      delays.push(options.delaySeconds ?? 0);
      await queues.webhooks.send(body);
    },
  };
  const services = { bucket, queues: { ...queues, webhooks }, post, now: () => clock.now, random: () => 0 };

  async function image(more: object = { webhook_url: url }) {
    const request = imageRequestSchema.parse({ model: 'emoji', prompt: 'red apple', ...more });
    return createImage({ bucket, queues, report: () => undefined }, tenant, request);
  }
  async function finish(id: string) {
    const begun = await beginAttempt(bucket, images, tenant, id);
    const finished_at = new Date().toISOString();
    return updateAttempt(bucket, images, tenant, begun, (job) => ({
      ...job,
      status: 'succeeded',
      output: { images: [] },
      finished_at,
    }));
  }
  /** Handles one message, after the delay that it was sent with. @returns false if there was none */
  async function step(to: DeliveryServices = services): Promise<boolean> {
    const [message] = await queues.webhooks.receive();
    if (!message) return false;
    clock.now += (delays.at(-1) ?? 0) * 1000;
    try {
      await deliver(to, endMessageSchema.parse(JSON.parse(message.body)));
      await queues.webhooks.delete(message.receipt);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
    return true;
  }
  const deliveries = async () => (await listDeliveries(bucket, tenant, { limit: 10 })).deliveries;
  return { bucket, queues, services, posts, clock, delays, image, finish, step, deliveries };
}

test('an end is told once, signed so that the standard’s own library accepts it', async () => {
  const { bucket, services, image, finish, step, posts, deliveries, queues } = await setUp();
  const { id } = await image();
  await tellEnd(bucket, services.queues.webhooks, tenant, await finish(id));
  await services.queues.webhooks.send(JSON.stringify({ kind: 'end', tenant, id, attempt: 0 }));
  while (await step());
  expect(posts).toHaveLength(1);
  const [{ headers, body }] = posts as [(typeof posts)[0]];
  const { secret } = await webhookSecret(bucket, tenant);
  const [delivery] = (await deliveries()) as [DeliveryRecord];
  expect(headers['webhook-id']).toBe(delivery.id);
  expect(delivery).toMatchObject({ type: 'image.succeeded', subject_id: id, url, status: 'delivered', attempts: 1 });

  // The library takes its time from the clock.
  const timestamp = headers['webhook-timestamp'] ?? '';
  expect(timestamp).toBe(`${Date.parse('2026-11-25T12:00:00.000Z') / 1000}`);
  const signedThen = new Webhook(secret).sign(delivery.id, new Date(Number(timestamp) * 1000), body);
  expect(headers['webhook-signature']).toBe(signedThen);
  expect(JSON.parse(body)).toMatchObject({ type: 'image.succeeded', data: { id, status: 'succeeded', output: { images: [] } } });
  expect(queues.webhooks.size()).toBe(0);
  expect((await bucket.list(keys.outbox())).keys).toHaveLength(0);
});

test('while a secret is being replaced, both sign; a day later the new one does alone', async () => {
  const { bucket, services, image, finish, step, posts, clock } = await setUp();
  const before = await webhookSecret(bucket, tenant, clock.now);
  const after = await rotateWebhookSecret(bucket, tenant, clock.now);
  expect(after.secret).not.toBe(before.secret);
  const tell = async () => {
    await tellEnd(bucket, services.queues.webhooks, tenant, await finish((await image()).id));
    await step();
    const [{ headers, body }] = posts.slice(-1) as [(typeof posts)[0]];
    const at = new Date(Number(headers['webhook-timestamp']) * 1000);
    const sign = (secret: string) => new Webhook(secret).sign(headers['webhook-id'] ?? '', at, body);
    return { signature: headers['webhook-signature'], sign };
  };
  const first = await tell();
  expect(first.signature).toBe(`${first.sign(after.secret)} ${first.sign(before.secret)}`);
  clock.now += 24 * 3600 * 1000;
  const second = await tell();
  expect(second.signature).toBe(second.sign(after.secret));
});

test('a receiver that fails is tried again, later and later, for 16 hours; then it is given up', async () => {
  const { bucket, services, image, finish, step, posts, deliveries, delays } = await setUp(() => 503);
  await tellEnd(bucket, services.queues.webhooks, tenant, await finish((await image()).id));
  while (await step());
  const waits = posts.slice(1).map(({ at }, i) => (at - (posts[i]?.at ?? 0)) / 1000);
  // 10 × 4^k up to four hours.
  expect(waits).toEqual([10, 40, 160, 640, 2560, 10_240, 14_400, 14_400, 14_400]);
  expect(waits.reduce((sum, wait) => sum + wait) / 3600).toBeCloseTo(15.8, 1);
  expect(Math.max(...delays)).toBe(900);
  expect(await deliveries()).toMatchObject([
    { status: 'failed', attempts: 10, attempts_left: 0, next_attempt_at: null, last_attempt: { status: 503, error: null } },
  ]);
});

test('jitter: half as long again at most', async () => {
  const { bucket, services, image, finish, step, posts } = await setUp(() => 500);
  services.random = () => 1;
  await tellEnd(bucket, services.queues.webhooks, tenant, await finish((await image()).id));
  while (await step());
  const waits = posts.slice(1).map(({ at }, i) => (at - (posts[i]?.at ?? 0)) / 1000);
  expect(waits).toEqual([15, 60, 240, 960, 3840, 15_360, 21_600, 21_600, 21_600]);
});

test.each([
  [410, { status: 410, error: null }],
  [new BlockedAddress('not public'), { status: null, error: 'not public' }],
])('%s is not tried again', async (answer, last_attempt) => {
  const { bucket, services, image, finish, step, posts, deliveries } = await setUp(() => answer);
  await tellEnd(bucket, services.queues.webhooks, tenant, await finish((await image()).id));
  while (await step());
  expect(posts).toHaveLength(1);
  expect(await deliveries()).toMatchObject([{ status: 'failed', attempts: 1, last_attempt }]);
});

test('a connection that breaks is tried again, and a redirect is no success', async () => {
  const answers = [new Error('ECONNRESET'), 302, 200];
  const { bucket, services, image, finish, step, deliveries } = await setUp(() => answers.shift() ?? 500);
  await tellEnd(bucket, services.queues.webhooks, tenant, await finish((await image()).id));
  while (await step());
  expect(await deliveries()).toMatchObject([{ status: 'delivered', attempts: 3 }]);
});

test('only the ends that were asked for are told, and those without a webhook not at all', async () => {
  const { bucket, services, image, finish, deliveries, step } = await setUp();
  for (const more of [{}, { webhook_url: url, webhook_events: ['failed'] }]) {
    await tellEnd(bucket, services.queues.webhooks, tenant, await finish((await image(more)).id));
  }
  const canceled = await image({ webhook_url: url, webhook_events: ['canceled'] });
  await tellEnd(bucket, services.queues.webhooks, tenant, await cancelJob(bucket, images, tenant, canceled.id));
  while (await step());
  expect(await deliveries()).toMatchObject([{ type: 'image.canceled', subject_id: canceled.id }]);
});

test('an end whose writer died before it told is found by the sweep; one that is not written yet waits', async () => {
  const { bucket, services, image, finish, deliveries, step } = await setUp();
  const { id } = await image();
  await bucket.put(keys.outboxEntry('webhooks', tenant, id), new Uint8Array());
  const sweep = () => sweepOutbox(bucket, services.queues, { olderThanSeconds: -1 });
  expect(await sweep()).toBe(0);
  await finish(id);
  expect(await sweep()).toBe(1);
  expect(await sweep()).toBe(0);
  while (await step());
  expect(await deliveries()).toMatchObject([{ status: 'delivered' }]);
});

test('killed at any call of a port: it is told all the same, with the same webhook-id, and the retries end', async () => {
  for (let deadline = 0, killed = true; killed; deadline++) {
    const answers = [500, 500, 200];
    const { bucket, services, image, finish, step, posts, deliveries, queues } = await setUp(() => answers.shift() ?? 200);
    const { id } = await image();
    await finish(id);
    await sweepOutbox(bucket, services.queues, { olderThanSeconds: -1 });
    let calls = 0;
    killed = false;
    const dying = mortal(services, () => {
      if (calls++ !== deadline) return;
      killed = true;
      throw new Killed();
    });
    while (await step(dying));
    const [delivery] = (await deliveries()) as [DeliveryRecord];
    expect([deadline, delivery.status]).toEqual([deadline, 'delivered']);
    expect(new Set(posts.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([delivery.id]));
    expect(posts.length).toBeLessThanOrEqual(4);
    expect(queues.webhooks.size()).toBe(0);
  }
});

test('replay: with all attempts again, and not beside a chain of retries that goes on', async () => {
  const { bucket, services, image, finish, step, posts, deliveries } = await setUp(() => 500);
  const { id } = await image();
  await tellEnd(bucket, services.queues.webhooks, tenant, await finish(id));
  while (await step());
  const [failed] = (await deliveries()) as [DeliveryRecord];
  const again = { ...failed, status: 'pending', attempts_left: 10, next_attempt_at: new Date(0).toISOString() };
  await putRecord(bucket, keys.deliveryRecord(tenant, failed.id), deliveryRecordSchema.parse(again));
  for (let twice = 0; twice < 2; twice++) {
    await services.queues.webhooks.send(JSON.stringify({ kind: 'end', tenant, id, attempt: failed.attempts }));
  }
  while (await step());
  expect(posts).toHaveLength(20);
  expect(await deliveries()).toMatchObject([{ status: 'failed', attempts: 20 }]);
});
