import { afterEach, expect, test, vi } from 'vitest';
import { connect } from './connect.ts';
import { fetchWithProgress } from './fetch-with-progress.ts';

/** What a browser's XMLHttpRequest does, as far as an upload sees it; each one ends as the next of `ends` says. */
class FakeXhr {
  static ends: ('lost' | 'never' | number)[] = [];
  static sent: FakeXhr[] = [];
  method = '';
  url = '';
  headers: Record<string, string> = {};
  body = new Uint8Array();
  status = 0;
  responseText = '';
  responseType = '';
  upload: { onprogress?: (event: { loaded: number }) => void } = {};
  onload?: () => void;
  onerror?: () => void;
  onabort?: () => void;
  onloadend?: () => void;
  open(method: string, url: string) {
    this.method = method;
    this.url = url;
  }
  setRequestHeader(name: string, value: string) {
    this.headers[name] = value;
  }
  abort() {
    this.onabort?.();
  }
  async send(body: Uint8Array<ArrayBuffer>) {
    this.body = body;
    FakeXhr.sent.push(this);
    const end = FakeXhr.ends.shift() ?? 200;
    await Promise.resolve();
    this.upload.onprogress?.({ loaded: 2 });
    if (end === 'never') return;
    if (end === 'lost') return this.onerror?.();
    this.status = end;
    this.responseText = end === 200 ? '' : 'denied';
    this.onload?.();
    this.onloadend?.();
  }
}

afterEach(() => {
  vi.unstubAllGlobals();
  FakeXhr.ends = [];
  FakeXhr.sent = [];
});

const put = { method: 'PUT', headers: { 'content-type': 'image/png' }, body: new Uint8Array([1, 2, 3]) };

test('sends method, headers and bytes, and tells what has gone out', async () => {
  vi.stubGlobal('XMLHttpRequest', FakeXhr);
  const told: number[] = [];
  const answer = await fetchWithProgress(fetch, (bytes) => told.push(bytes))('https://bucket.example/a', put);
  expect(answer.status).toBe(200);
  expect(told).toEqual([2]);
  const [{ method, url, headers, body } = new FakeXhr()] = FakeXhr.sent;
  expect([method, url, headers]).toEqual(['PUT', 'https://bucket.example/a', { 'content-type': 'image/png' }]);
  expect(body).toEqual(put.body);
});

test('a refusal is an answer, a lost line an error, an abort its reason', async () => {
  vi.stubGlobal('XMLHttpRequest', FakeXhr);
  FakeXhr.ends = [403, 'lost', 'never'];
  const send = fetchWithProgress(fetch, () => {});
  const refused = await send('https://bucket.example/a', put);
  expect([refused.status, await refused.text()]).toEqual([403, 'denied']);
  await expect(send('https://bucket.example/a', put)).rejects.toThrow('the connection was lost');
  const aborting = new AbortController();
  const reason = new Error('enough');
  const hanging = send('https://bucket.example/a', { ...put, signal: aborting.signal });
  aborting.abort(reason);
  await expect(hanging).rejects.toBe(reason);
});

test('where there is no XMLHttpRequest it is fetch, and an upload still tells its end', async () => {
  const answers = [
    Response.json({ id: 'file_1', uploaded: false, upload: { method: 'PUT', url: 'https://bucket.example/a', headers: {} } }),
    new Response(),
  ];
  const client = connect({ url: 'https://api.example', apiKey: 'k', fetch: async () => answers.shift() ?? Response.error() });
  const told: number[] = [];
  const onProgress = (bytes: number) => told.push(bytes);
  await client.files.upload(new Uint8Array([1, 2, 3]), { name: 'a.png', contentType: 'image/png', onProgress });
  expect(told).toEqual([3]);
});

test('an upload whose line breaks starts anew and ends whole', async () => {
  vi.stubGlobal('XMLHttpRequest', FakeXhr);
  FakeXhr.ends = ['lost', 200];
  const upload = { method: 'PUT', url: 'https://bucket.example/a', headers: { 'x-amz-checksum-sha256': 'A5' } };
  const announced = Response.json({ id: 'file_1', uploaded: false, upload });
  const client = connect({ url: 'https://api.example', apiKey: 'k', fetch: async () => announced });
  const told: number[] = [];
  const onProgress = (bytes: number) => told.push(bytes);
  const file = await client.files.upload(put.body, { name: 'a.png', contentType: 'image/png', onProgress });
  expect(file).toEqual({ id: 'file_1', uploaded: true });
  expect(told).toEqual([2, 2, 3]);
  expect(FakeXhr.sent.map(({ headers }) => headers['x-amz-checksum-sha256'])).toEqual(['A5', 'A5']);
});
