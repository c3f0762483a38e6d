import { batchRecordSchema, keys, newId, publishLora, putRecord, updateRecord } from '@loraloom/jobs';
import { afterEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { routes, type Scope, scopeSchema } from './access.ts';
import { newApiKey } from './api-key.ts';
import { createApp } from './app.ts';
import { errorSchema } from './error.ts';
import { examples } from './examples.ts';
import { lora, testApp } from './test-app.ts';

afterEach(() => vi.useRealTimers());

type App = Awaited<ReturnType<typeof testApp>>;
/** How a route is called: with which body, and for a path with an id in it, the id of a thing of the caller's, and one that nobody has. */
type Row = {
  body?: (app: App) => object | Promise<object>;
  id?: [(app: App, key: string) => Promise<string>, string];
  /** Or the caller's own choice of an id. */
  chosen?: () => string;
  status: number;
};

const idOf = async (answer: Response | Promise<Response>) => z.object({ id: z.string() }).parse(await (await answer).json()).id;
const image = { model: 'emoji', prompt: 'red apple' };
const training = async (app: App, key = app.alpha) => ({
  model: 'emoji',
  name: 'style',
  files: [{ file_id: await app.upload(key), caption: 'red apple' }],
});
const anImage = (app: App, key: string) => idOf(app.call('POST', '/v1/images', image, key));
const aTraining = async (app: App, key: string) => idOf(app.call('POST', '/v1/trainings', await training(app, key), key));
const aKey = (app: App, key: string) => idOf(app.call('POST', '/v1/keys', { scopes: ['images'] }, key));

const aFileOfLines = (app: App, key?: string) =>
  app.uploadBytes(new TextEncoder().encode(JSON.stringify({ custom_id: '1', ...image })), 'a.jsonl', 'application/jsonl', key);
const aBatch = async (app: App, key: string) =>
  idOf(app.call('POST', '/v1/batches', { input_file_id: await aFileOfLines(app, key) }, key));

/** A batch that has ended, and of which a line has failed. */
async function aFailedBatch(app: App, key: string) {
  const id = await aBatch(app, key);
  await updateRecord(app.bucket, keys.batchRecord('alpha', id), batchRecordSchema, (batch) => ({
    ...batch,
    status: 'succeeded' as const,
    request_counts: { ...batch.request_counts, total: 1, failed: 1 },
  }));
  return id;
}

/** A webhook's delivery, of the end of an image that was canceled. */
async function aDelivery(app: App, key: string) {
  const image = await anImage(app, key);
  const id = newId('delivery');
  await putRecord(app.bucket, keys.deliveryRecord('alpha', id), { ...examples.delivery, id, subject_id: image });
  return id;
}

/** A LoRA of alpha's, by a name that none had. */
async function aLora({ bucket }: App) {
  const [name, lora_id] = [`style${named++}`, newId('lora')];
  await bucket.put(keys.loraWeights('alpha', name, lora_id), new Uint8Array([1, 2, 3]));
  await publishLora(bucket, 'alpha', { ...lora, name, lora_id });
  return name;
}
let named = 0;

/** Every route of the API that is not public. A new one fails the first test until it has its row. */
const rows: Record<string, Row> = {
  'POST /v1/files': {
    body: () => ({ name: 'a.png', content_type: 'image/png', size_bytes: 3, sha256: 'ab'.repeat(32) }),
    status: 201,
  },
  'GET /v1/files': { status: 200 },
  'GET /v1/files/{id}': { id: [(app, key) => app.upload(key), newId('file')], status: 200 },
  'DELETE /v1/files/{id}': { id: [(app, key) => app.upload(key), newId('file')], status: 200 },
  'POST /v1/trainings': { body: (app) => training(app), status: 202 },
  'POST /v1/trainings:check': { body: (app) => training(app), status: 200 },
  'GET /v1/trainings': { status: 200 },
  'GET /v1/trainings/{id}': { id: [aTraining, newId('training')], status: 200 },
  'GET /v1/trainings/{id}/events': { id: [aTraining, newId('training')], status: 200 },
  'POST /v1/trainings/{id}/cancel': { id: [aTraining, newId('training')], status: 200 },
  'POST /v1/images': { body: () => image, status: 202 },
  // With a picture there would be an answer when it is there: what these refuse they have looked at.
  'POST /v1/images/generations': { body: () => ({ model: 'none', prompt: 'red apple' }), status: 422 },
  'POST /generate': { body: () => ({ model: 'none', prompt: 'red apple' }), status: 422 },
  'PUT /v1/images/{id}': { chosen: () => newId('image'), body: () => image, status: 202 },
  'GET /v1/images': { status: 200 },
  'GET /v1/images/{id}': { id: [anImage, newId('image')], status: 200 },
  'POST /v1/images/{id}/cancel': { id: [anImage, newId('image')], status: 200 },
  'POST /v1/batches': { body: async (app) => ({ input_file_id: await aFileOfLines(app) }), status: 202 },
  'GET /v1/batches': { status: 200 },
  'GET /v1/batches/{id}': { id: [aBatch, newId('batch')], status: 200 },
  'POST /v1/batches/{id}/cancel': { id: [aBatch, newId('batch')], status: 200 },
  'POST /v1/batches/{id}/retry': { id: [aFailedBatch, newId('batch')], status: 202 },
  'GET /v1/webhooks/secret': { status: 200 },
  'POST /v1/webhooks/secret/rotate': { status: 200 },
  'GET /v1/webhooks/deliveries': { status: 200 },
  'GET /v1/webhooks/deliveries/{id}': { id: [aDelivery, newId('delivery')], status: 200 },
  'POST /v1/webhooks/deliveries/{id}/replay': { id: [aDelivery, newId('delivery')], status: 202 },
  'GET /v1/loras': { status: 200 },
  'POST /v1/loras': {
    body: async (app) => ({ name: 'mine', model: 'emoji', file_id: await app.upload() }),
    status: 422,
  },
  'POST /v1/loras:inspect': { body: async (app) => ({ file_id: await app.upload() }), status: 200 },
  'GET /v1/loras/{name}': { id: [aLora, 'nobodys'], status: 200 },
  'GET /v1/loras/{name}/versions': { id: [aLora, 'nobodys'], status: 200 },
  'PATCH /v1/loras/{name}': { id: [aLora, 'nobodys'], body: () => ({ license: 'MIT' }), status: 200 },
  'DELETE /v1/loras/{name}': { id: [aLora, 'nobodys'], status: 200 },
  'POST /v1/loras/{name}/share': { id: [aLora, 'nobodys'], body: () => ({ tenant: 'gamma' }), status: 200 },
  'POST /v1/loras/{name}/unshare': { id: [aLora, 'nobodys'], body: () => ({ tenant: 'gamma' }), status: 200 },
  'GET /v1/models': { status: 200 },
  'POST /v1/keys': { body: () => ({ scopes: ['images'] }), status: 201 },
  'GET /v1/keys': { status: 200 },
  'DELETE /v1/keys/{id}': { id: [aKey, newId('key')], status: 200 },
  'POST /v1/tokens': { body: () => ({ scopes: ['images'] }), status: 201 },
  'GET /v1/audit': { status: 200 },
  'GET /v1/usage': { status: 200 },
};

test('every route that the app serves has its row here, and says who may call it', async () => {
  const { app } = await testApp();
  const served = new Set(
    app.routes
      .filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${path.replaceAll(/\/:(\w+)/g, '/{$1}')}`),
  );
  const open = Object.keys(routes).filter((route) => routes[route] === 'public');
  expect(open).toEqual(['GET /healthz', 'GET /openapi.json', 'GET /docs']);
  expect([...served].sort()).toEqual([...open, ...Object.keys(rows)].sort());
  expect(Object.keys(routes).sort()).toEqual([...served].sort());
});

test('a route that does not say who may call it keeps the app from starting', async () => {
  const { services } = await testApp();
  const wanted = routes['GET /v1/models'];
  delete routes['GET /v1/models'];
  expect(() => createApp(services)).toThrow('access.ts does not say who may call GET /v1/models');
  Object.assign(routes, { 'GET /v1/models': wanted });
  createApp(services);
});

/** Calls a row's route as the bearer of a credential, on a thing of alpha's, or on none that there is. */
async function callRow(app: App, route: string, credential: string | undefined, on: 'alpha’s' | 'nobody’s' = 'alpha’s') {
  const { body, id, chosen } = rows[route] ?? { status: 0 };
  const [method = '', path = ''] = route.split(' ');
  const thing = chosen ? chosen() : id && (on === 'alpha’s' ? await id[0](app, app.alpha) : id[1]);
  const sent = await body?.(app);
  const answer = await app.call(method, path.replace(/\{\w+\}/, thing ?? ''), sent, credential ?? null);
  const text = await answer.text();
  const error = errorSchema.safeParse(JSON.parse(text)).data?.error;
  return {
    status: answer.status,
    code: error?.code,
    // Without what differs by its nature.
    said: { ...error, message: error?.message.replace(thing ?? 'nothing', '…'), request_id: '' },
    challenge: answer.headers.get('www-authenticate'),
    text,
  };
}

const unauthorized = { status: 401, code: 'unauthorized', challenge: 'Bearer' };

test.each(Object.entries(rows))('%s: with a key of alpha, %o', async (route, { status }) => {
  const app = await testApp();
  expect(await callRow(app, route, app.alpha)).toMatchObject({ status });
});

test.each(Object.keys(rows))('%s: without a key, or with something that is none', async (route) => {
  const app = await testApp();
  const { alpha } = app;
  const strange = [
    undefined,
    await newApiKey(),
    alpha.slice(0, -1),
    `${alpha}0`,
    alpha.toUpperCase(),
    'll_',
    'llt_',
    'llt_a.b.c',
    'a.b.c',
  ];
  for (const credential of strange) expect(await callRow(app, route, credential), credential).toMatchObject(unauthorized);
  for (const authorization of ['', alpha, `Basic ${alpha}`, 'Bearer']) {
    const [method = '', path = ''] = route.replace(/\{\w+\}/, newId('image')).split(' ');
    expect((await app.app.request(path, { method, headers: { authorization } })).status).toBe(401);
  }
});

test.each(Object.keys(rows))('%s: with a key that has expired, or was revoked', async (route) => {
  const app = await testApp();
  const soon = new Date(Date.now() + 60_000).toISOString();
  const expiring = await app.keyOf('alpha', scopeSchema.options, soon);
  expect((await app.call('GET', '/v1/models', undefined, expiring)).status).toBe(200);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 60_000 });
  expect(await callRow(app, route, expiring)).toMatchObject(unauthorized);
  vi.useRealTimers();

  const made = await (await app.call('POST', '/v1/keys', { scopes: scopeSchema.options })).json();
  expect((await app.call('GET', '/v1/models', undefined, made.key)).status).toBe(200);
  expect((await app.call('DELETE', `/v1/keys/${made.id}`)).status).toBe(200);
  expect(await callRow(app, route, made.key)).toMatchObject(unauthorized);
});

test.each(Object.keys(rows))('%s: with a token that has expired, or whose key was revoked', async (route) => {
  const app = await testApp();
  const minter = await (await app.call('POST', '/v1/keys', { scopes: ['images', 'trainings'] })).json();
  const { token } = await (
    await app.call('POST', '/v1/tokens', { scopes: ['images', 'trainings'], minutes: 5 }, minter.key)
  ).json();
  expect((await app.call('GET', '/v1/models', undefined, token)).status).toBe(200);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 5 * 60_000 });
  expect(await callRow(app, route, token)).toMatchObject(unauthorized);
  vi.useRealTimers();
  await app.call('DELETE', `/v1/keys/${minter.id}`);
  expect(await callRow(app, route, token)).toMatchObject(unauthorized);
});

test.each(Object.entries(rows))(
  '%s: with every other scope than it wants, whether or not the thing is there',
  async (route, { status }) => {
    const app = await testApp();
    const access = routes[route];
    if (!access || access === 'public') throw new Error('it is not public');
    const wrong = scopeSchema.options.filter((scope) => !access.scopes.includes(scope));
    const challenge = `Bearer error="insufficient_scope", scope="${access.scopes.join(' ')}"`;
    for (const scope of wrong) {
      const key = await app.keyOf('alpha', [scope]);
      for (const on of ['alpha’s', 'nobody’s'] as const) {
        expect(await callRow(app, route, key, on), scope).toMatchObject({ status: 403, code: 'insufficient_scope', challenge });
      }
    }
    for (const scope of access.scopes) {
      if (route === 'POST /v1/tokens' && scope !== 'images') continue;
      expect(await callRow(app, route, await app.keyOf('alpha', [scope])), scope).toMatchObject({ status });
    }
  },
);

test.each(Object.entries(rows))('%s: with a token, if a stranger may', async (route, { status }) => {
  const app = await testApp();
  const access = routes[route];
  if (!access || access === 'public') throw new Error('it is not public');
  const scopes: Scope[] = ['images', 'trainings'];
  const { token } = await (await app.call('POST', '/v1/tokens', { scopes })).json();
  const refused = { status: 403, code: 'insufficient_scope' };
  expect(await callRow(app, route, token)).toMatchObject(access.tokens ? { status } : refused);
});

test.each(Object.entries(rows))('%s: another tenant learns nothing of what is alpha’s', async (route, { id, status }) => {
  const app = await testApp();
  if (id) {
    const theirs = await callRow(app, route, app.beta);
    expect(theirs).toMatchObject({ status: 404, code: 'not_found' });
    expect(theirs.said).toEqual((await callRow(app, route, app.beta, 'nobody’s')).said);
    // And it did nothing.
    expect((await callRow(app, route, app.alpha)).status).toBe(status);
  } else {
    const things = [await anImage(app, app.alpha), await aTraining(app, app.alpha), await aKey(app, app.alpha), 'style'];
    const { text } = await callRow(app, route, app.beta);
    if (route.startsWith('GET')) for (const thing of things) expect(text).not.toContain(thing);
  }
});

test('what is alpha’s cannot be used by another tenant: refused as if it were not there', async () => {
  const app = await testApp();
  const said = async (path: string, body: object, thing: string) => {
    const answer = await app.call('POST', path, body, app.beta);
    const { code, param, message } = errorSchema.parse(await answer.json()).error;
    return { status: answer.status, code, param, message: message.replace(thing, '…') };
  };
  const train = (file_id: string) => ({ model: 'emoji', name: 'x', files: [{ file_id, caption: 'red apple' }] });
  const [file, none] = [await app.upload(), newId('file')];
  const theirs = await said('/v1/trainings', train(file), file);
  expect(theirs).toEqual(await said('/v1/trainings', train(none), none));
  expect(theirs).toMatchObject({ status: 422, code: 'unknown_file' });
  const draw = (name: string) => ({ ...image, loras: [{ name }] });
  const style = await said('/v1/images', draw('style'), 'style');
  expect(style).toEqual(await said('/v1/images', draw('nobodys'), 'nobodys'));
  expect(style).toMatchObject({ status: 422, code: 'unknown_lora' });
});
