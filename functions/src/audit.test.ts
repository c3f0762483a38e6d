import { type AuditEntry, auditEntrySchema, type Bucket, images, keys, readJob, sweepOutbox } from '@loraloom/jobs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { heldApp, testApp } from './test-app.ts';

const image = { model: 'emoji', prompt: 'a secret recipe of ours', n: 2, loras: [{ name: 'style', weight: 0.5 }] };

async function entriesOf(app: Awaited<ReturnType<typeof testApp>>, key = app.alpha): Promise<AuditEntry[]> {
  const answer = await app.call('GET', '/v1/audit', undefined, key);
  return z.object({ data: z.array(auditEntrySchema) }).parse(await answer.json()).data;
}

test('each request that does something, or was to, has its entry before it is answered; looking has none', async () => {
  const app = await testApp();
  const made = await app.call('POST', '/v1/images', image);
  const { id } = await made.json();
  await app.call('GET', `/v1/images/${id}`);
  const [entry, ...others] = await entriesOf(app);
  expect(others).toEqual([]);
  expect(entry).toMatchObject({
    method: 'POST',
    path: '/v1/images',
    status: 202,
    code: null,
    ip: null,
    request_id: made.headers.get('x-request-id'),
    model: 'emoji',
    prompt: 'a secret recipe of ours',
    negative_prompt: '',
    loras: [{ name: 'style', weight: 0.5 }],
    job: id,
    cost: { pictures: 2, training_steps: 0 },
  });
  const own = await (await app.call('GET', '/v1/keys')).json();
  expect(own.data.map(({ id: key }: { id: string }) => key)).toContain(entry?.caller);
  expect(await entriesOf(app, app.beta)).toEqual([]);
});

test('what is refused says why, and costs nothing; so does what is sent again', async () => {
  const app = await testApp();
  await app.call('POST', '/v1/images', { ...image, prompt: 'explicit porn of a naked child' });
  await app.call('POST', '/v1/images', { ...image, model: 'none' });
  await app.call('POST', '/v1/images', 'not json');
  const headers = { authorization: `Bearer ${app.alpha}`, 'content-type': 'application/json', 'idempotency-key': 'one' };
  for (const _ of [1, 2]) await app.app.request('/v1/images', { method: 'POST', headers, body: JSON.stringify(image) });
  const entries = (await entriesOf(app)).map(({ status, code, cost }) => [status, code, cost?.pictures]);
  expect(entries.sort()).toEqual(
    [
      [202, null, 0],
      [202, null, 2],
      [400, 'malformed_json', undefined],
      [422, 'content_refused', undefined],
      [422, 'unknown_model', undefined],
    ].sort(),
  );
});

test('prompts are redacted where that is configured, and are in no log line in any case', async () => {
  const app = await testApp();
  const redacting = heldApp({ ...app.services, redactPrompts: true, ipOf: () => '198.51.100.7' });
  const headers = { authorization: `Bearer ${app.alpha}`, 'content-type': 'application/json' };
  await redacting.request('/v1/images', { method: 'POST', headers, body: JSON.stringify(image) });
  const [entry] = await entriesOf(app);
  expect(entry).toMatchObject({ prompt: null, negative_prompt: null, model: 'emoji', ip: '198.51.100.7' });
  const { bucket } = app;
  const put: Bucket['put'] = async (key, ...rest) => {
    if (key.startsWith('audit/')) throw new Error('no more room');
    return bucket.put(key, ...rest);
  };
  const answer = await heldApp({ ...app.services, bucket: { ...bucket, put } }).request('/v1/images', {
    method: 'POST',
    headers,
    body: JSON.stringify(image),
  });
  expect(answer.status).toBe(202);
  expect(app.logged).toContainEqual(expect.objectContaining({ message: 'audit entry not written', level: 'error' }));
  expect(JSON.stringify([app.logged, app.requests])).not.toContain('secret recipe');
});

test('a job’s record and its message name the request, and so does the message that is swept up later', async () => {
  const { app, bucket, queues, alpha } = await testApp();
  const trace_id = '4bf92f3577b34da6a3ce929d0e0e4736';
  const headers = {
    authorization: `Bearer ${alpha}`,
    'content-type': 'application/json',
    'x-request-id': 'order-4711',
    traceparent: `00-${trace_id}-00f067aa0ba902b7-01`,
  };
  const { id } = await (await app.request('/v1/images', { method: 'POST', headers, body: JSON.stringify(image) })).json();
  const received = async () => {
    const [message] = await queues.images.receive({ maxMessages: 1, waitSeconds: 0, visibilitySeconds: 60 });
    return JSON.parse(message?.body ?? '');
  };
  const message = { kind: 'image', tenant: 'alpha', id, trace: { request_id: 'order-4711', trace_id } };
  expect(await received()).toEqual(message);
  expect((await readJob(bucket, images, 'alpha', id))?.trace).toEqual(message.trace);
  await bucket.put(keys.outboxEntry('images', 'alpha', id), new Uint8Array());
  expect(await sweepOutbox(bucket, queues, { olderThanSeconds: 0, now: Date.now() + 1 })).toBe(1);
  expect(await received()).toEqual(message);
});

test('a request is one log line, by its route’s name; with the caller’s own trace, if there is one', async () => {
  const { app, call, requests, alpha } = await testApp();
  const { id } = await (await call('POST', '/v1/images', image)).json();
  const trace_id = '4bf92f3577b34da6a3ce929d0e0e4736';
  const headers = { authorization: `Bearer ${alpha}`, traceparent: `00-${trace_id}-00f067aa0ba902b7-01` };
  const answer = await app.request(`/v1/images/${id}`, { headers });
  await app.request('/healthz');
  await app.request('/v1/images', { headers: { authorization: 'Bearer wrong' } });
  expect(requests).toMatchObject([
    { method: 'POST', route: '/v1/images', status: 202, tenant: 'alpha', job: id },
    { method: 'GET', route: '/v1/images/:id', status: 200, trace_id, request_id: answer.headers.get('x-request-id') },
    { method: 'GET', route: '/v1/images', status: 401, code: 'unauthorized', tenant: null, caller: null },
  ]);
  expect(JSON.stringify(requests)).not.toContain(alpha.slice(3));
});
