import { beginAttempt, cancelJob, endMessageSchema, images, tellEnd } from '@loraloom/jobs';
import { expect, test } from 'vitest';
import { testApp } from './test-app.ts';
import { deliver } from './webhook/deliver.ts';

test('a secret is made when it is first asked for, stays, is replaced, and is the tenant’s own', async () => {
  const { call, beta } = await testApp();
  const secretOf = async (method = 'GET', path = '/v1/webhooks/secret', key?: string) =>
    (await call(method, path, undefined, key)).json();
  const answers = await Promise.all([1, 2, 3].map(() => secretOf()));
  const [first] = answers;
  expect(answers).toEqual([first, first, first]);
  expect(first.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  expect((await secretOf('GET', undefined, beta)).secret).not.toBe(first.secret);
  const rotated = await secretOf('POST', '/v1/webhooks/secret/rotate');
  expect(rotated.secret).not.toBe(first.secret);
  expect(rotated.previous.secret).toBe(first.secret);
  expect(Date.parse(rotated.previous.expires_at) - Date.parse(rotated.created_at)).toBe(24 * 3600 * 1000);
  expect(await secretOf()).toEqual(rotated);
});

test('a canceled image is told by the API; its delivery is listed, read and replayed by its tenant alone', async () => {
  const { call, services, queues, beta } = await testApp();
  const url = 'https://shop.example/hooks';
  const request = { model: 'emoji', prompt: 'a', webhook_url: url };
  const { id } = await (await call('POST', '/v1/images', request)).json();
  await call('POST', `/v1/images/${id}/cancel`);
  const posts: string[] = [];
  const post = async (_: string, __: object, body: string) => {
    posts.push(body);
    return { status: 200 };
  };
  const step = async () => {
    const [message] = await queues.webhooks.receive();
    await deliver({ ...services, post }, endMessageSchema.parse(JSON.parse(message?.body ?? '')));
    await queues.webhooks.delete(message?.receipt ?? '');
  };
  await step();
  const { data } = await (await call('GET', '/v1/webhooks/deliveries')).json();
  expect(data).toMatchObject([{ type: 'image.canceled', subject_id: id, url, status: 'delivered', attempts: 1 }]);
  const path = `/v1/webhooks/deliveries/${data[0].id}`;
  expect(await (await call('GET', path)).json()).toEqual(data[0]);
  expect((await (await call('GET', '/v1/webhooks/deliveries', undefined, beta)).json()).data).toEqual([]);
  for (const [method, to] of [
    ['GET', path],
    ['POST', `${path}/replay`],
  ] as const) {
    expect((await call(method, to, undefined, beta)).status).toBe(404);
  }
  const replayed = await call('POST', `${path}/replay`);
  expect(replayed.status).toBe(202);
  expect(await replayed.json()).toMatchObject({ status: 'pending', attempts: 1, attempts_left: 10 });
  await step();
  expect(await (await call('GET', path)).json()).toMatchObject({ status: 'delivered', attempts: 2 });
  expect(posts).toHaveLength(2);
  expect(queues.webhooks.size()).toBe(0);
});

test('a job that is canceled while it waits for a worker, or by it, is told once', async () => {
  const { call, services, queues } = await testApp();
  const request = { model: 'emoji', prompt: 'a', webhook_url: 'https://shop.example/hooks' };
  const { id } = await (await call('POST', '/v1/images', request)).json();
  await beginAttempt(services.bucket, images, 'alpha', id);
  const asked = await cancelJob(services.bucket, images, 'alpha', id);
  await tellEnd(services.bucket, queues.webhooks, 'alpha', asked);
  expect(queues.webhooks.size()).toBe(0);
  const ended = await beginAttempt(services.bucket, images, 'alpha', id);
  await tellEnd(services.bucket, queues.webhooks, 'alpha', ended);
  expect(queues.webhooks.size()).toBe(1);
});

test.each([
  'http://shop.example/',
  'https://user@shop.example/',
  'ftp://shop.example/',
  'shop.example',
  `https://shop.example/${'x'.repeat(2000)}`,
])('%s is no webhook', async (webhook_url) => {
  const { call } = await testApp();
  const answer = await call('POST', '/v1/images', { model: 'emoji', prompt: 'a', webhook_url });
  expect([answer.status, (await answer.json()).error.param]).toEqual([422, 'webhook_url']);
});
