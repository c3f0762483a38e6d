import { type Bucket, fileUploadSchema, trainingCheckSchema } from '@loraloom/jobs';
import { expect, test } from 'vitest';
import { heldApp, picture, pictureDigest, testApp } from './test-app.ts';

/** The app, and what puts a file into it whatever its bytes are. */
async function setUp() {
  const app = await testApp();
  async function put(bytes: Uint8Array, name = 'a.png'): Promise<string> {
    const digest = await crypto.subtle.digest('SHA-256', new Uint8Array(bytes));
    const asked = { name, content_type: 'image/png', size_bytes: bytes.length, sha256: Buffer.from(digest).toString('hex') };
    const { id, upload } = fileUploadSchema.parse(await (await app.call('POST', '/v1/files', asked)).json());
    await app.bucket.fetch(upload.url, { method: 'PUT', headers: upload.headers, body: new Uint8Array(bytes) });
    return id;
  }
  const requestOf = (ids: readonly string[], change: object = {}) => ({
    model: 'emoji',
    name: 'style',
    files: ids.map((file_id, i) => ({ file_id, caption: `apple ${i}` })),
    trigger_word: 'ink',
    ...change,
  });
  return { ...app, put, requestOf };
}

/** The PNG of the tests with another width, in pixels. */
const withWidth = (width: number) => {
  const bytes = picture.slice();
  new DataView(bytes.buffer).setUint32(16, width);
  return bytes;
};

test('a picture that cannot be used stops a training before it is queued, and everything found is told', async () => {
  const { call, put, requestOf, queues } = await setUp();
  const ids = [
    await put(picture),
    await put(new TextEncoder().encode('<html>not found</html>'), 'b.png'),
    await put(picture.slice(0, -4), 'c.png'),
  ];
  const answer = await call('POST', '/v1/trainings', requestOf(ids, { steps: 1 }));
  expect(answer.status).toBe(422);
  const { error } = await answer.json();
  expect(error).toMatchObject({
    code: 'preflight_failed',
    param: 'files.1.file_id',
    message: expect.stringMatching(/^b\.png: .*JPEG/),
  });
  const told = error.findings.map((found: { code: string; file: object }) => [found.code, found.file]);
  expect(told).toEqual([
    ['not_a_picture', { index: 1, name: 'b.png' }],
    ['picture_damaged', { index: 2, name: 'c.png' }],
    ['few_steps', null],
  ]);
  expect(queues.trainings.size()).toBe(0);
  expect((await (await call('GET', '/v1/trainings')).json()).data).toEqual([]);
});

test('doubts do not stop it: they are kept in the record', async () => {
  const { call, put, requestOf } = await setUp();
  const ids = [await put(picture), await put(picture, 'again.png'), await put(withWidth(300), 'wide.png')];
  const answer = await call('POST', '/v1/trainings', requestOf(ids));
  expect(answer.status).toBe(202);
  const { id, warnings } = await answer.json();
  expect(warnings).toEqual([
    expect.objectContaining({ code: 'picture_cropped', file: { index: 2, name: 'wide.png' } }),
    expect.objectContaining({ code: 'duplicate_picture', message: expect.stringContaining('a.png') }),
  ]);
  expect(await (await call('GET', `/v1/trainings/${id}`)).json()).toMatchObject({ warnings });
});

test('a check settles the request and estimates, and creates nothing', async () => {
  const { call, put, requestOf, bucket, queues } = await setUp();
  const ids = [await put(picture), await put(withWidth(256)), await put(new Uint8Array(3))];
  const keysBefore = (await bucket.list('tenants/alpha/trainings/')).keys;
  const answer = await call('POST', '/v1/trainings:check', requestOf(ids, { epochs: 100, batch_size: 2 }));
  expect(answer.status).toBe(200);
  const { request, findings, estimate } = trainingCheckSchema.parse(await answer.json());
  expect(request).toMatchObject({ steps: 200, resolution: 128, alpha: 8 });
  expect(findings.map(({ code, severity }) => `${severity} ${code}`)).toEqual(['error not_a_picture', 'warning picture_cropped']);
  expect(estimate.steps).toBe(200);
  expect((await bucket.list('tenants/alpha/trainings/')).keys).toEqual(keysBefore);
  expect(queues.trainings.size()).toBe(0);
  const refused = await call('POST', '/v1/trainings:check', requestOf(ids, { model: 'none' }));
  expect(refused.status).toBe(422);
  expect(await refused.json()).toMatchObject({ error: { code: 'unknown_model' } });
});

test('sizes that lie behind long notes are found, by reading no more than a part of the file', async () => {
  const { call, put, requestOf, bucket, services, alpha } = await setUp();
  // A JPEG whose frame header comes after five segments of 64 KB, with as much again behind it.
  const segment = Buffer.concat([Buffer.from('ffe2ffff', 'hex'), Buffer.alloc(65_533)]);
  const frame = Buffer.from('ffc0001108012c00c803012200021101031101', 'hex');
  const bytes = Buffer.concat([
    Buffer.from('ffd8', 'hex'),
    ...Array(5).fill(segment),
    frame,
    Buffer.alloc(3_000_000),
    Buffer.from('ffd9', 'hex'),
  ]);
  const id = await put(bytes, 'camera.jpg');
  let read = 0;
  const counting: Bucket = {
    ...bucket,
    async getBytes(key, options) {
      const found = await bucket.getBytes(key, options);
      if (key.endsWith('/content')) read += found?.bytes.length ?? 0;
      return found;
    },
  };
  const headers = { authorization: `Bearer ${alpha}`, 'content-type': 'application/json' };
  const body = JSON.stringify(requestOf([id], { steps: 100 }));
  const answer = await heldApp({ ...services, bucket: counting }).request('/v1/trainings:check', {
    method: 'POST',
    headers,
    body,
  });
  expect((await answer.json()).findings).toEqual([]);
  expect(read).toBeLessThan(1_300_000);
  expect(
    (await (await call('POST', '/v1/trainings:check', requestOf([id], { steps: 100, resolution: 256 }))).json()).findings,
  ).toMatchObject([{ code: 'picture_small', message: expect.stringContaining('200 × 300') }]);
});

test('a thousand pictures are looked over in a few seconds, though each look takes a while', async () => {
  const { bucket, services, alpha, put, requestOf } = await setUp();
  const ids = await Promise.all(Array.from({ length: 1000 }, (_, i) => put(withWidth(128 + (i % 40)), `${i}.png`)));
  const far: Bucket = {
    ...bucket,
    getBytes: async (...read) => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      return bucket.getBytes(...read);
    },
  };
  const headers = { authorization: `Bearer ${alpha}`, 'content-type': 'application/json' };
  const body = JSON.stringify(requestOf(ids));
  const begun = Date.now();
  const answer = await heldApp({ ...services, bucket: far }).request('/v1/trainings:check', { method: 'POST', headers, body });
  expect(answer.status).toBe(200);
  expect((Date.now() - begun) / 1000).toBeLessThan(10);
  expect((await answer.json()).findings.at(-1)).toMatchObject({ code: 'few_steps' });
}, 30_000);

test('the picture of these tests is what its digest says', () => expect(pictureDigest).toMatch(/^fe5d616c/));
