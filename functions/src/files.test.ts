import { expect, test } from 'vitest';
import { sha256, testApp } from './test-app.ts';

const bytes = new Uint8Array([1, 2, 3]);

test('a file is announced, its bytes are put to the URL, and then it is uploaded', async () => {
  const { call, bucket } = await testApp();
  const request = { name: 'a.png', content_type: 'image/png', size_bytes: 3, sha256 };
  const answer = await call('POST', '/v1/files', request);
  expect(answer.status).toBe(201);
  const { upload, ...file } = await answer.json();
  expect(answer.headers.get('location')).toBe(`/v1/files/${file.id}`);
  expect(file).toMatchObject({ ...request, object: 'file', uploaded: false });
  expect(Date.parse(upload.expires_at) - Date.parse(file.created_at)).toBe(15 * 60 * 1000);

  expect(await (await call('GET', `/v1/files/${file.id}`)).json()).toEqual(file);
  expect((await bucket.fetch(upload.url, { method: 'PUT', headers: upload.headers, body: bytes })).status).toBe(200);
  expect(await (await call('GET', `/v1/files/${file.id}`)).json()).toEqual({ ...file, uploaded: true });
});

test('the bucket refuses other bytes than those announced', async () => {
  const { announce, bucket, call } = await testApp();
  const { id, upload } = await announce();
  for (const body of [new Uint8Array([1, 2, 4]), new Uint8Array([1, 2, 3, 4]), new Uint8Array()]) {
    expect((await bucket.fetch(upload.url, { method: 'PUT', headers: upload.headers, body })).ok).toBe(false);
  }
  expect(await (await call('GET', `/v1/files/${id}`)).json()).toMatchObject({ uploaded: false });
});

test('content of another size, however it came there, does not count as uploaded', async () => {
  const { announce, bucket, call } = await testApp();
  const { id } = await announce();
  await bucket.put(`tenants/alpha/files/${id}/content`, new Uint8Array(4));
  expect(await (await call('GET', `/v1/files/${id}`)).json()).toMatchObject({ uploaded: false });
});
