import { createHmac } from 'node:crypto';
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { afterEach, expect, test, vi } from 'vitest';
import type { Oidc } from './oidc.ts';
import { heldApp, testApp } from './test-app.ts';

afterEach(() => vi.useRealTimers());

const issuer = 'https://login.example';
const audience = 'loraloom';
const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
const strangers = await generateKeyPair('RS256');
const curve = await generateKeyPair('ES256');
const keySet = {
  keys: [
    { ...(await exportJWK(publicKey)), kid: 'rsa', alg: 'RS256', use: 'sig' },
    { ...(await exportJWK(curve.publicKey)), kid: 'curve', alg: 'ES256', use: 'sig' },
  ],
};

/** The app, with an issuer whose keys are served by the returned function's first argument. */
async function setUp(changes: Partial<Oidc> = {}) {
  const base = await testApp();
  const fetched: string[] = [];
  const oidc: Oidc = {
    issuer,
    audience,
    jwksUrl: `${issuer}/keys`,
    algorithms: ['RS256'],
    tenantClaim: 'tenant',
    scopesClaim: 'scope',
    fetch: async (input) => {
      fetched.push(new Request(input).url);
      return Response.json(keySet);
    },
    ...changes,
  };
  const app = heldApp({ ...base.services, oidc });
  const call = (jwt: string, path = '/v1/images') => app.request(path, { headers: { authorization: `Bearer ${jwt}` } });
  return { ...base, call, fetched };
}

const now = () => Math.floor(Date.now() / 1000);
const claims = () => ({ iss: issuer, aud: audience, sub: 'ann', tenant: 'alpha', scope: 'openid images', exp: now() + 300 });
const sign = (payload: JWTPayload, header: { alg: string; kid?: string } = { alg: 'RS256', kid: 'rsa' }, key = privateKey) =>
  new SignJWT(payload).setProtectedHeader(header).sign(key);
const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

test('a JWT of the issuer is its tenant’s, with its scopes; the issuer is asked for its keys once', async () => {
  const { call, fetched } = await setUp();
  const jwt = await sign(claims());
  expect((await call(jwt)).status).toBe(200);
  expect((await (await call(jwt, '/v1/loras')).json()).data.map(({ name }: { name: string }) => name)).toEqual(['style']);
  expect((await call(jwt, '/v1/trainings')).status).toBe(403);
  expect((await call(jwt, '/v1/keys')).status).toBe(403);
  expect(fetched).toEqual([`${issuer}/keys`]);
  const beta = await sign({ ...claims(), tenant: 'beta' });
  expect((await (await call(beta, '/v1/loras')).json()).data).toEqual([]);
});

test('our own keys are good beside it', async () => {
  const { call, alpha, fetched } = await setUp();
  expect((await call(alpha)).status).toBe(200);
  expect(fetched).toEqual([]);
});

test('tenant and scopes are in the claims that the configuration names, scopes in a list too', async () => {
  const { call } = await setUp({ tenantClaim: 'https://example/org', scopesClaim: 'permissions' });
  const { tenant, scope: _, ...rest } = claims();
  const permissions = ['trainings', 'else'];
  expect((await call(await sign({ ...rest, 'https://example/org': tenant, permissions }), '/v1/trainings')).status).toBe(200);
  expect((await call(await sign({ ...rest, 'https://example/org': tenant, scope: 'trainings' }), '/v1/trainings')).status).toBe(
    403,
  );
  expect((await call(await sign({ ...rest, tenant, permissions }), '/v1/trainings')).status).toBe(401);
});

const { exp: _, ...unending } = claims();
const { sub: __, ...nobody } = claims();
const { tenant: ___, ...homeless } = claims();
test.each([
  ['another issuer', () => sign({ ...claims(), iss: 'https://login.example.evil' })],
  ['another audience', () => sign({ ...claims(), aud: 'other' })],
  ['no exp', () => sign(unending)],
  ['expired, beyond the tolerance', () => sign({ ...claims(), exp: now() - 11 })],
  ['not yet good', () => sign({ ...claims(), nbf: now() + 60 })],
  ['no subject', () => sign(nobody)],
  ['no tenant', () => sign(homeless)],
  ['a tenant that is a path', () => sign({ ...claims(), tenant: '../beta' })],
  ['tenants', () => sign({ ...claims(), tenant: ['alpha'] })],
  ['a stranger’s signature', () => sign(claims(), { alg: 'RS256', kid: 'rsa' }, strangers.privateKey)],
  ['a key that the issuer does not have', () => sign(claims(), { alg: 'RS256', kid: 'other' })],
  ['a good key of an algorithm that is not allowed', () => sign(claims(), { alg: 'ES256', kid: 'curve' }, curve.privateKey)],
  ['alg none', async () => `${base64url({ alg: 'none' })}.${base64url(claims())}.`],
  ['alg none, of a good one', async () => `${base64url({ alg: 'none', kid: 'rsa' })}.${(await sign(claims())).split('.')[1]}.`],
  [
    'HS256, with the public key as the secret',
    async () => {
      const signed = `${base64url({ alg: 'HS256', kid: 'rsa' })}.${base64url(claims())}`;
      return `${signed}.${createHmac('sha256', await exportSPKI(publicKey))
        .update(signed)
        .digest('base64url')}`;
    },
  ],
  [
    'other claims under a good signature',
    async () => {
      const [header, , signature] = (await sign(claims())).split('.');
      return `${header}.${base64url({ ...claims(), tenant: 'beta' })}.${signature}`;
    },
  ],
])('refused: %s', async (_, make) => {
  const { call, logged } = await setUp();
  const answer = await call(await make());
  expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  expect(logged).toEqual([]);
});

test('a JWT expires, a few seconds of another clock allowed', async () => {
  const { call } = await setUp();
  const jwt = await sign(claims());
  const start = Date.now();
  vi.useFakeTimers({ toFake: ['Date'], now: start + 305_000 });
  expect((await call(jwt)).status).toBe(200);
  vi.setSystemTime(start + 311_000);
  expect((await call(jwt)).status).toBe(401);
});

test('an issuer out of reach is our trouble, not the caller’s fault', async () => {
  for (const fetch of [async () => new Response('', { status: 503 }), async () => Promise.reject(new TypeError('unreachable'))]) {
    const { call, logged } = await setUp({ fetch });
    expect((await call(await sign(claims()))).status).toBe(500);
    expect(logged).toHaveLength(1);
  }
});

test('a new key of the issuer is fetched, but not for every JWT that names an unknown one', async () => {
  const { call, fetched } = await setUp();
  const unknown = await sign(claims(), { alg: 'RS256', kid: 'other' });
  for (let i = 0; i < 20; i++) expect((await call(unknown)).status).toBe(401);
  expect(fetched).toHaveLength(1);
});

test('without an issuer no JWT is good', async () => {
  const { call } = await testApp();
  expect((await call('GET', '/v1/models', undefined, await sign(claims()))).status).toBe(401);
});
