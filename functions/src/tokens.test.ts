import { SignJWT } from 'jose';
import { afterEach, expect, test, vi } from 'vitest';
import { lora, pepper, testApp } from './test-app.ts';

afterEach(() => vi.useRealTimers());

const image = { model: 'emoji', prompt: 'red apple' };

async function setUp() {
  const app = await testApp();
  const mint = async (wanted: object, key = app.alpha) => app.call('POST', '/v1/tokens', wanted, key);
  const token = async (wanted: object, key?: string): Promise<string> => (await (await mint(wanted, key)).json()).token;
  const draw = (credential: string, more: object = {}) => app.call('POST', '/v1/images', { ...image, ...more }, credential);
  const codeOf = async (answer: Response) => (await answer.json()).error?.code;
  return { ...app, mint, token, draw, codeOf };
}

test('a token says what it may do and until when, and is not to be kept by caches', async () => {
  const { mint } = await setUp();
  const answer = await mint({ scopes: ['images'], loras: ['style'], quota: { pictures: 2 }, minutes: 30 });
  expect([answer.status, answer.headers.get('cache-control')]).toEqual([201, 'no-store']);
  const { id, token, expires_at, ...rest } = await answer.json();
  expect(rest).toEqual({ object: 'token', scopes: ['images'], loras: ['style'], quota: { pictures: 2 } });
  expect([id.slice(0, 4), token.slice(0, 4)]).toEqual(['tok_', 'llt_']);
  expect(Math.abs(Date.parse(expires_at) - Date.now() - 30 * 60_000)).toBeLessThan(2000);
});

test.each([
  [{ scopes: ['admin'] }, 422, 'invalid_request'],
  [{ scopes: [] }, 422, 'invalid_request'],
  [{ scopes: ['images'], minutes: 24 * 60 + 1 }, 422, 'invalid_request'],
  [{ scopes: ['images'], minutes: 0 }, 422, 'invalid_request'],
  [{ scopes: ['images'], quota: { pictures: -1 } }, 422, 'invalid_request'],
  [{ scopes: ['images'], tenant: 'beta' }, 422, 'invalid_request'],
  [{ scopes: ['images', 'trainings'] }, 403, 'insufficient_scope'],
])('%j from a key for images alone: %i %s', async (wanted, status, code) => {
  const { mint, keyOf, codeOf } = await setUp();
  const answer = await mint(wanted, await keyOf('alpha', ['images']));
  expect([answer.status, await codeOf(answer)]).toEqual([status, code]);
});

test('a token ends no later than the key that mints it', async () => {
  const { mint, keyOf } = await setUp();
  const soon = new Date(Math.ceil(Date.now() / 1000) * 1000 + 120_000).toISOString();
  const answer = await mint({ scopes: ['images'], minutes: 60 }, await keyOf('alpha', ['images'], soon));
  expect((await answer.json()).expires_at).toBe(soon);
});

test('a token mints no token, and makes, lists and revokes no key', async () => {
  const { token, call, codeOf } = await setUp();
  const held = await token({ scopes: ['images', 'trainings'] });
  for (const [method, path, body] of [
    ['POST', '/v1/tokens', { scopes: ['images'] }],
    ['POST', '/v1/keys', { scopes: ['images'] }],
    ['GET', '/v1/keys', undefined],
  ] as const) {
    const answer = await call(method, path, body, held);
    expect([answer.status, await codeOf(answer)]).toEqual([403, 'insufficient_scope']);
  }
});

test('a LoRA that a token may not use is to it as one that is not there', async () => {
  const { token, draw, call } = await setUp();
  const held = await token({ scopes: ['images'], loras: [] });
  const refused = async (name: string) => {
    const answer = await draw(held, { loras: [{ name }] });
    const { code, param, message } = (await answer.json()).error;
    return [answer.status, code, param, message.replace(name, '…')];
  };
  expect(await refused('style')).toEqual(await refused('nobodys'));
  expect((await refused('style')).slice(0, 3)).toEqual([422, 'unknown_lora', 'loras.0.name']);
  // Whichever way it is asked for, and whether or not it would fit.
  expect(await refused('style@latest')).toEqual(await refused('nobodys@latest'));
  expect((await draw(held, { model: 'none', loras: [{ name: 'style' }] })).status).toBe(422);
  const simple = async (lora_name: string) => {
    const { error } = await (await call('POST', '/generate', { prompt: 'red apple', lora_name }, held)).json();
    return [error.code, error.param, error.message.replace(lora_name, '…')];
  };
  expect(await simple('style')).toEqual(await simple('nobodys'));
  const pinned = await token({ scopes: ['images'], loras: [`style@${lora.lora_id}`] });
  expect((await draw(pinned, { loras: [{ name: `style@${lora.lora_id}` }] })).status).toBe(202);
  expect((await draw(pinned, { loras: [{ name: 'style' }] })).status).toBe(422);
  expect((await draw(held)).status).toBe(202);
  expect((await draw(await token({ scopes: ['images'], loras: ['style'] }), { loras: [{ name: 'style' }] })).status).toBe(202);
  expect((await draw(await token({ scopes: ['images'] }), { loras: [{ name: 'style' }] })).status).toBe(202);
});

test('nor may it train another’s name over', async () => {
  const { token, call, upload } = await setUp();
  const held = await token({ scopes: ['trainings'], loras: ['mine'], quota: { training_steps: 10 } });
  const files = [{ file_id: await upload(), caption: 'red apple' }];
  const train = (name: string, steps: number, more: object = {}) =>
    call('POST', '/v1/trainings', { model: 'emoji', name, files, steps, ...more }, held);
  expect((await train('style', 5)).status).toBe(403);
  expect((await train('mine', 5, { rank: 4, continue_from: { lora: 'style' } })).status).toBe(403);
  const other = await (await call('POST', '/v1/trainings', { model: 'emoji', name: 'style', files, steps: 5 })).json();
  expect((await train('mine', 5, { continue_from: { training_id: other.id } })).status).toBe(403);
  expect((await train('mine', 11)).status).toBe(429);
  expect((await train('mine', 10)).status).toBe(202);
  expect((await train('mine', 1)).status).toBe(429);
});

test('a token does not say where the tenant’s signature is sent to', async () => {
  const { token, draw, call, upload } = await setUp();
  const held = await token({ scopes: ['images', 'trainings'] });
  const webhook_url = 'https://shop.example/hooks';
  const training = { model: 'emoji', name: 'mine', files: [{ file_id: await upload(), caption: 'a' }], webhook_url };
  for (const answer of [await draw(held, { webhook_url }), await call('POST', '/v1/trainings', training, held)]) {
    expect(answer.status).toBe(403);
    expect((await answer.json()).error).toMatchObject({ code: 'insufficient_scope', param: 'webhook_url' });
  }
});

test('a quota is kept by all of a token’s requests together, and says when there is no more', async () => {
  const { token, draw, codeOf } = await setUp();
  const held = await token({ scopes: ['images'], quota: { pictures: 5 }, minutes: 10 });
  const answers = await Promise.all(Array.from({ length: 30 }, () => draw(held)));
  expect(answers.filter(({ status }) => status === 202)).toHaveLength(5);
  const [refused = new Response()] = answers.filter(({ status }) => status === 429);
  expect(await codeOf(refused)).toBe('quota_exceeded');
  const wait = Number(refused.headers.get('retry-after'));
  expect(wait > 590 && wait <= 600).toBe(true);
  // Another token has its own.
  expect((await draw(await token({ scopes: ['images'], quota: { pictures: 1 } }))).status).toBe(202);
  expect((await draw(await token({ scopes: ['images'], quota: { pictures: 1 } }), { n: 2 })).status).toBe(429);
});

test('an Idempotency-Key is the token’s own: others that choose the same one get jobs of their own', async () => {
  const { app, alpha, token } = await setUp();
  const draw = async (credential: string) => {
    const headers = { authorization: `Bearer ${credential}`, 'content-type': 'application/json', 'idempotency-key': '1' };
    return (await (await app.request('/v1/images', { method: 'POST', headers, body: JSON.stringify(image) })).json()).id;
  };
  const [one, two] = [await token({ scopes: ['images'] }), await token({ scopes: ['images'] })];
  const ids = [await draw(alpha), await draw(one), await draw(two)];
  expect(new Set(ids).size).toBe(3);
  expect([await draw(alpha), await draw(one), await draw(two)]).toEqual(ids);
});

test('a token that was changed, or signed with what is known of us, is none', async () => {
  const { token, draw } = await setUp();
  const held = await token({ scopes: ['images'], minutes: 5 });
  const [header, payload = '', signature] = held.slice(4).split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  expect(claims).toMatchObject({ tenant: 'alpha', scopes: ['images'] });
  const changed = Buffer.from(JSON.stringify({ ...claims, tenant: 'beta' })).toString('base64url');
  expect((await draw(`llt_${header}.${changed}.${signature}`)).status).toBe(401);
  const none = Buffer.from('{"alg":"none","typ":"loraloom-token+jwt"}').toString('base64url');
  expect((await draw(`llt_${none}.${payload}.`)).status).toBe(401);
  // The pepper itself signs nothing: the secret is derived from it.
  const jwt = new SignJWT(claims).setProtectedHeader({ alg: 'HS256', typ: 'loraloom-token+jwt' });
  expect((await draw(`llt_${await jwt.sign(new TextEncoder().encode(pepper))}`)).status).toBe(401);
  expect((await draw(held)).status).toBe(202);
});

test('keys: made, listed newest first in pages without themselves, revoked once', async () => {
  const { call, beta } = await setUp();
  const made = [];
  for (const name of ['one', 'two', 'three']) {
    made.unshift(await (await call('POST', '/v1/keys', { name, scopes: ['images'] }, beta)).json());
    // Ids made within one millisecond have no order.
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const first = await (await call('GET', '/v1/keys?limit=2', undefined, beta)).json();
  const second = await (await call('GET', `/v1/keys?limit=2&after=${first.next}`, undefined, beta)).json();
  const listed = [...first.data, ...second.data];
  expect(listed.slice(0, 3)).toEqual(made.map(({ key: _, ...rest }) => rest));
  expect(JSON.stringify(listed)).not.toMatch(/ll_|hash|tenant/);
  const { id, key } = made[0];
  expect((await call('GET', '/v1/images', undefined, key)).status).toBe(200);
  expect((await call('DELETE', `/v1/keys/${id}`, undefined, beta)).status).toBe(200);
  expect((await call('GET', '/v1/images', undefined, key)).status).toBe(401);
  expect((await call('DELETE', `/v1/keys/${id}`, undefined, beta)).status).toBe(404);
  expect((await (await call('GET', '/v1/keys', undefined, beta)).json()).data.map((one: { id: string }) => one.id)).not.toContain(
    id,
  );
});

test('keys: neither of unknown scope, nor already expired, and stored as a hash alone', async () => {
  const { call, bucket, codeOf } = await setUp();
  for (const body of [{ scopes: [] }, { scopes: ['all'] }, {}, { scopes: ['images'], expires_at: '2020-01-01T00:00:00Z' }]) {
    const answer = await call('POST', '/v1/keys', body);
    expect([answer.status, await codeOf(answer)]).toEqual([422, 'invalid_request']);
  }
  const { key } = await (await call('POST', '/v1/keys', { scopes: ['images'] })).json();
  for (const { key: name } of (await bucket.list('')).keys) {
    expect(name).not.toContain(key.slice(3));
    const object = await bucket.getBytes(name);
    expect(new TextDecoder().decode(object?.bytes)).not.toContain(key.slice(3, 67));
  }
});
