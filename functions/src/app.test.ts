import { newId } from '@loraloom/jobs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { hashApiKey, newApiKey } from './api-key.ts';
import { createApp } from './app.ts';
import { errorSchema } from './error.ts';
import { heldApp, lora, pepper, sha256, testApp } from './test-app.ts';

/** The error of an answer, its shape and request id checked. */
async function errorOf(answer: Response) {
  const { error } = z.strictObject(errorSchema.shape).parse(await answer.json());
  expect(error.request_id).toBe(answer.headers.get('x-request-id'));
  return { status: answer.status, code: error.code, param: error.param, message: error.message };
}

const training = { model: 'emoji', name: 'style', files: [{ file_id: newId('file'), caption: '' }] };
const image = { model: 'emoji', prompt: 'red apple' };
const file = { name: 'a.png', content_type: 'image/png', size_bytes: 3, sha256 };

test.each([
  // what is sent → what is said about it
  ['GET', '/nowhere', undefined, 404, 'not_found', null],
  ['GET', '/v1/nowhere', undefined, 404, 'not_found', null],
  ['PUT', '/v1/files', undefined, 405, 'method_not_allowed', null],
  ['PUT', '/v1/loras/style', undefined, 405, 'method_not_allowed', null],
  ['PUT', '/v1/loras:inspect', undefined, 405, 'method_not_allowed', null],
  ['GET', '/v1/loras:other', undefined, 404, 'not_found', null],
  ['GET', '/v1/files/nonsense', undefined, 404, 'not_found', 'id'],
  ['GET', `/v1/files/${newId('file')}`, undefined, 404, 'not_found', 'id'],
  ['GET', `/v1/files/${newId('image')}`, undefined, 404, 'not_found', 'id'],
  ['GET', `/v1/trainings/${newId('training')}`, undefined, 404, 'not_found', 'id'],
  ['GET', `/v1/trainings/${newId('training')}/events`, undefined, 404, 'not_found', 'id'],
  ['GET', `/v1/trainings/${newId('training')}/events?after=../x`, undefined, 422, 'invalid_request', 'after'],
  ['POST', `/v1/trainings/${newId('training')}/cancel`, undefined, 404, 'not_found', 'id'],
  ['GET', `/v1/images/${newId('image')}`, undefined, 404, 'not_found', 'id'],
  ['POST', `/v1/images/${newId('image')}/cancel`, undefined, 404, 'not_found', 'id'],
  ['GET', '/v1/loras/none', undefined, 404, 'not_found', 'name'],
  ['GET', '/v1/loras/..%2f..%2fbeta', undefined, 404, 'not_found', 'name'],
  ['GET', `/v1/loras/style@${newId('lora')}`, undefined, 404, 'not_found', 'name'],
  ['GET', '/v1/loras/none/versions', undefined, 404, 'not_found', 'name'],
  ['PATCH', '/v1/loras/none', {}, 404, 'not_found', 'name'],
  ['PATCH', '/v1/loras/style', { latest: newId('lora') }, 422, 'unknown_version', 'latest'],
  ['PATCH', '/v1/loras/style', { sha256 }, 422, 'invalid_request', 'sha256'],
  ['PATCH', '/v1/loras/style', { cover: { file_id: newId('file') } }, 422, 'unknown_file', 'cover.file_id'],
  ['PATCH', '/v1/loras/style', { cover: { image_id: newId('image') } }, 422, 'unknown_image', 'cover.image_id'],
  ['DELETE', '/v1/loras/none', undefined, 404, 'not_found', 'name'],
  ['POST', '/v1/loras/none/share', { tenant: 'beta' }, 404, 'not_found', 'name'],
  ['POST', '/v1/loras/style/share', { tenant: 'Beta' }, 422, 'invalid_request', 'tenant'],
  ['POST', '/v1/loras', { name: 'x', model: 'emoji', file_id: newId('file') }, 422, 'unknown_file', 'file_id'],
  ['POST', '/v1/loras:inspect', { file_id: newId('file') }, 422, 'unknown_file', 'file_id'],
  ['POST', '/v1/files', '{"name":', 400, 'malformed_json', null],
  ['POST', '/v1/files', '', 400, 'malformed_json', null],
  ['POST', '/v1/images', '[]', 422, 'invalid_request', null],
  ['POST', '/v1/images', 'null', 422, 'invalid_request', null],
  ['POST', '/v1/images', `"${'x'.repeat(4 * 1024 * 1024)}"`, 413, 'too_large', null],
  ['POST', '/v1/files', { ...file, extra: 1 }, 422, 'invalid_request', 'extra'],
  ['POST', '/v1/files', { ...file, size_bytes: 0 }, 422, 'invalid_request', 'size_bytes'],
  ['POST', '/v1/files', { ...file, size_bytes: 20 * 1024 * 1024 + 1 }, 422, 'invalid_request', 'size_bytes'],
  [
    'POST',
    '/v1/files',
    { ...file, content_type: 'application/octet-stream', size_bytes: 2 ** 29 + 1 },
    422,
    'invalid_request',
    'size_bytes',
  ],
  ['POST', '/v1/files', { ...file, content_type: 'image/gif' }, 422, 'invalid_request', 'content_type'],
  ['POST', '/v1/files', { ...file, sha256: sha256.toUpperCase() }, 422, 'invalid_request', 'sha256'],
  ['POST', '/v1/trainings', training, 422, 'unknown_file', 'files.0.file_id'],
  ['POST', '/v1/trainings', { ...training, model: 'other' }, 422, 'unknown_model', 'model'],
  ['POST', '/v1/trainings', { ...training, files: [] }, 422, 'invalid_request', 'files'],
  ['POST', '/v1/trainings', { ...training, files: [{ file_id: 'x', caption: '' }] }, 422, 'invalid_request', 'files.0.file_id'],
  [
    'POST',
    '/v1/trainings',
    { ...training, files: [{ ...training.files[0], captoin: '' }] },
    422,
    'invalid_request',
    'files.0.captoin',
  ],
  ['POST', '/v1/trainings', { ...training, name: '../x' }, 422, 'invalid_request', 'name'],
  ['POST', '/v1/trainings', { ...training, rank: 129 }, 422, 'invalid_request', 'rank'],
  ['POST', '/v1/trainings', { ...training, steps: 1.5 }, 422, 'invalid_request', 'steps'],
  ['POST', '/v1/trainings', { ...training, learning_rate: 0 }, 422, 'invalid_request', 'learning_rate'],
  ['POST', '/v1/trainings', { ...training, optimizer: 'sgd' }, 422, 'invalid_request', 'optimizer'],
  ['POST', '/v1/trainings', { ...training, lr_scheduler: 'step' }, 422, 'invalid_request', 'lr_scheduler'],
  ['POST', '/v1/trainings', { ...training, steps: 100_001 }, 422, 'invalid_request', 'steps'],
  ['POST', '/v1/trainings', { ...training, resolution: 100 }, 422, 'invalid_request', 'resolution'],
  ['POST', '/v1/trainings', { ...training, ema_decay: 1 }, 422, 'invalid_request', 'ema_decay'],
  ['POST', '/v1/trainings', { ...training, continue_from: { lora: 'x', step: 1 } }, 422, 'invalid_request', 'continue_from.step'],
  ['POST', '/v1/trainings', { ...training, caption_dropout: 1.5 }, 422, 'invalid_request', 'caption_dropout'],
  ['POST', '/v1/trainings', { ...training, targets: 'all' }, 422, 'invalid_request', 'targets'],
  ['POST', '/v1/images', { ...image, model: 'other' }, 422, 'unknown_model', 'model'],
  ['POST', '/v1/images', { ...image, prompt: '' }, 422, 'invalid_request', 'prompt'],
  ['POST', '/v1/images', { ...image, prompt: 'x'.repeat(2001) }, 422, 'invalid_request', 'prompt'],
  ['POST', '/v1/images', { ...image, n: 9 }, 422, 'invalid_request', 'n'],
  ['POST', '/v1/images', { ...image, width: 100 }, 422, 'invalid_request', 'width'],
  ['POST', '/v1/images', { ...image, height: 1032 }, 422, 'invalid_request', 'height'],
  ['POST', '/v1/images', { ...image, seed: 2 ** 32 }, 422, 'invalid_request', 'seed'],
  ['POST', '/v1/images', { ...image, seed: -1 }, 422, 'invalid_request', 'seed'],
  ['POST', '/v1/images', { ...image, sampler: 'heun' }, 422, 'invalid_request', 'sampler'],
  ['POST', '/v1/images', { ...image, mask: newId('file') }, 422, 'image_wanted', 'mask'],
  ['POST', '/v1/images', { ...image, image_strength: 0.5 }, 422, 'image_wanted', 'image_strength'],
  ['POST', '/v1/images', { ...image, image: newId('file') }, 422, 'unknown_file', 'image'],
  ['POST', '/v1/images', { ...image, image: 'x' }, 422, 'invalid_request', 'image'],
  ['POST', '/v1/images', { ...image, image_strength: 1.1 }, 422, 'invalid_request', 'image_strength'],
  ['POST', '/v1/images', { ...image, loras: [{ name: 'none' }] }, 422, 'unknown_lora', 'loras.0.name'],
  ['POST', '/v1/images', { ...image, loras: [{ name: 'style', weight: 2.1 }] }, 422, 'invalid_request', 'loras.0.weight'],
  ['POST', '/v1/images', { ...image, loras: Array(9).fill({ name: 'style' }) }, 422, 'invalid_request', 'loras'],
  ['GET', '/v1/images?limit=0', undefined, 422, 'invalid_request', 'limit'],
  ['GET', '/v1/images?limit=101', undefined, 422, 'invalid_request', 'limit'],
  ['GET', '/v1/images?after=x', undefined, 422, 'invalid_request', 'after'],
  ['GET', '/v1/trainings?page=2', undefined, 422, 'invalid_request', 'page'],
] as const)('%s %s %.60j → %i %s %s', async (method, path, body, status, code, param) => {
  const { call, queues, logged } = await testApp();
  const error = await errorOf(await call(method, path, body));
  expect(error).toMatchObject({ status, code, param });
  expect(error.message.length).toBeGreaterThan(5);
  expect(queues.trainings.size() + queues.images.size()).toBe(0);
  expect(logged).toEqual([]);
});

test('messages say what was wanted', async () => {
  const { call } = await testApp();
  const said = async (path: string, body: object) => (await errorOf(await call('POST', path, body))).message;
  expect(await said('/v1/images', { ...image, n: 9 })).toMatch(/^n: .*8/);
  expect(await said('/v1/images', { ...image, sampler: 'x' })).toMatch(/"ddim".*"euler"/);
  expect(await said('/v1/images', { ...image, promt: 'x' })).toMatch(/^promt: unknown key/);
  expect(await said('/v1/trainings', { ...training, network_dim: 8 })).toBe('network_dim: unknown key; did you mean rank?');
  expect(await said('/v1/trainings:check', { ...training, lerning_rate: 1 })).toMatch(/did you mean learning_rate\?$/);
  expect(await said('/v1/trainings', { ...training, name: 'A b' })).toMatch(/^name: want 1 to 63 of a-z/);
  expect(await said('/v1/images', { ...image, model: 'x' })).toMatch(/no model named x.*\/v1\/models/);
});

test('a body that is not declared as JSON is refused', async () => {
  const { app, alpha } = await testApp();
  const answer = await app.request('/v1/images', {
    method: 'POST',
    headers: { authorization: `Bearer ${alpha}`, 'content-type': 'text/plain' },
    body: JSON.stringify(image),
  });
  expect(await errorOf(answer)).toMatchObject({ status: 415, code: 'unsupported_media_type' });
});

test('405 says what is allowed', async () => {
  const { call } = await testApp();
  expect((await call('DELETE', '/v1/images')).headers.get('allow')).toBe('POST, GET');
  expect((await call('POST', `/v1/images/${newId('image')}`)).headers.get('allow')).toBe('PUT, GET');
});

test('keys: 256 bits that differ, a checksum that catches every single typo, a hash that hangs on the pepper', async () => {
  const key = await newApiKey();
  expect(key).toMatch(/^ll_[0-9a-f]{72}$/);
  expect(await newApiKey()).not.toBe(key);
  for (let i = 3; i < key.length; i++) {
    const typo = `${key.slice(0, i)}${key[i] === '0' ? '1' : '0'}${key.slice(i + 1)}`;
    expect(await hashApiKey(pepper, typo)).toBeUndefined();
  }
  const hash = await hashApiKey(pepper, key);
  expect(hash).toMatch(/^[0-9a-f]{64}$/);
  expect(await hashApiKey(`${pepper}!`, key)).not.toBe(hash);
  // openssl: printf %s KEY | openssl dgst -sha256 -hmac pepper, over 64 zeros and their checksum.
  const known = `ll_${'0'.repeat(64)}cc851ced`;
  expect(await hashApiKey('pepper', known)).toBe('76f220e7c1d160d055a4e1f8f08e42842a228da7df97b0c48df05813d15d1666');
});

test('the request id is the caller’s if it is harmless, else a new one', async () => {
  const { app } = await testApp();
  const idOf = async (id: string) =>
    (await app.request('/healthz', { headers: { 'x-request-id': id } })).headers.get('x-request-id');
  expect(await idOf('abc-123_=')).toBe('abc-123_=');
  expect(await idOf('a"b {}')).toMatch(/^[0-9a-f-]{36}$/);
  expect(await idOf('x'.repeat(300))).toMatch(/^[0-9a-f-]{36}$/);
});

test('an unexpected fault is a 500 that tells nothing, and one log line without secrets', async () => {
  const { services, logged, alpha } = await testApp();
  const secret = 'X-Amz-Signature=abc';
  const bucket = { ...services.bucket, list: () => Promise.reject(new Error('disk on fire')) };
  const app = heldApp({ ...services, bucket });
  const answer = await app.request(`/v1/models?${secret}`, {
    headers: { authorization: `Bearer ${alpha}`, 'x-request-id': 'r1' },
  });
  const error = await errorOf(answer);
  expect(error).toMatchObject({ status: 500, code: 'internal_error' });
  expect(error.message).not.toContain('fire');
  expect(logged.length).toBe(1);
  expect(logged[0]).toMatchObject({
    level: 'error',
    request_id: 'r1',
    method: 'GET',
    path: '/v1/models',
    message: 'disk on fire',
  });
  const line = JSON.stringify(logged);
  expect(line).not.toContain(alpha);
  expect(line).not.toContain(secret);
});

test('web pages of the configured origins may call, others may not', async () => {
  const { app } = await testApp();
  const preflight = (origin: string) =>
    app.request('/v1/images', {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
    });
  const allowed = await preflight('https://studio.example');
  expect(allowed.status).toBe(204);
  expect(allowed.headers.get('access-control-allow-origin')).toBe('https://studio.example');
  expect(allowed.headers.get('access-control-allow-headers')).toContain('Authorization');
  expect(allowed.headers.get('access-control-allow-credentials')).toBeNull();
  expect((await preflight('https://studio.example.evil')).headers.get('access-control-allow-origin')).toBeNull();
  // An error must be readable for the page as well.
  const refused = await app.request('/v1/images', { headers: { origin: 'https://studio.example' } });
  expect(refused.status).toBe(401);
  expect(refused.headers.get('access-control-allow-origin')).toBe('https://studio.example');
});

test.each(['*', 'https://*.example', 'https://studio.example/', 'studio.example', 'null', ''])(
  'an origin that is not exact is refused at the start: %j',
  async (origin) => {
    const { services } = await testApp();
    expect(() => createApp({ ...services, origins: ['https://studio.example', origin] })).toThrow(/want exact ones/);
  },
);

test('no answer allows every page, or credentials; pages may read the limits', async () => {
  const { app, call, alpha, services } = await testApp();
  const origin = 'https://studio.example';
  const headers = { origin, authorization: `Bearer ${alpha}` };
  const preflight = { origin, 'access-control-request-method': 'DELETE' };
  for (const answer of [
    await app.request('/v1/models', { headers }),
    await app.request('/v1/models', { headers: { origin } }),
    await app.request('/v1/nowhere', { headers }),
    await app.request('/healthz', { headers }),
    await app.request('/v1/keys/x', { method: 'OPTIONS', headers: preflight }),
    await heldApp({ ...services, origins: [] }).request('/v1/models', { headers }),
    await call('GET', '/v1/models'),
  ]) {
    expect(answer.headers.get('access-control-allow-origin')).not.toBe('*');
    expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
  }
  const exposed = (await app.request('/v1/models', { headers })).headers.get('access-control-expose-headers');
  expect(exposed).toContain('RateLimit-Remaining');
});

test('models and LoRAs are listed; a LoRA comes with URLs of its weights', async () => {
  const { call, bucket } = await testApp();
  expect(await (await call('GET', '/v1/models')).json()).toMatchObject({ object: 'list', data: [{ name: 'emoji' }], next: null });
  const shown = { ...lora, cover: null, cover_url: null, shared_with: [] };
  expect(await (await call('GET', '/v1/loras')).json()).toEqual({ object: 'list', data: [shown], next: null });
  const view = z.looseObject({ url: z.url(), diffusers_url: z.url() });
  const { url, diffusers_url, ...record } = view.parse(await (await call('GET', '/v1/loras/style')).json());
  expect(record).toEqual(shown);
  expect(new Uint8Array(await (await bucket.fetch(url)).arrayBuffer())).toEqual(new Uint8Array([1, 2, 3]));
  expect(new Uint8Array(await (await bucket.fetch(diffusers_url)).arrayBuffer())).toEqual(new Uint8Array([4, 5]));
});

test('it answers', async () => {
  const { app } = await testApp();
  expect(await (await app.request('/healthz')).json()).toEqual({ status: 'ok' });
});
