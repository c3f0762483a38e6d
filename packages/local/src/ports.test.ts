import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateQueueCommand } from '@aws-sdk/client-sqs';
import { fetchBucket } from '@loraloom/jobs/bucket/fetch';
import { memoryBucket } from '@loraloom/jobs/bucket/memory';
import { type Bucket, PreconditionFailed } from '@loraloom/jobs/bucket/port';
import { sdkBucket } from '@loraloom/jobs/bucket/sdk';
import { fetchQueue } from '@loraloom/jobs/queue/fetch';
import { memoryQueue } from '@loraloom/jobs/queue/memory';
import type { Queue } from '@loraloom/jobs/queue/port';
import { sdkQueue } from '@loraloom/jobs/queue/sdk';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Bucket as bucketName, credentials, testS3 } from './s3/test-s3.ts';
import { testSqs } from './sqs/test-sqs.ts';

let s3: Awaited<ReturnType<typeof testS3>>;
let sqs: Awaited<ReturnType<typeof testSqs>>;
beforeAll(async () => {
  [s3, sqs] = await Promise.all([testS3(), testSqs()]);
});
afterAll(() => Promise.all([s3.close(), sqs.close()]));

const accessTo = (endpoint: string) => ({ endpoint, region: 'us-east-1', credentials: () => credentials });
const bytesOf = (text: string) => new TextEncoder().encode(text);
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** A bucket, and what follows its presigned URLs. */
type TestBucket = { bucket: Bucket; send: typeof fetch };
const buckets: [string, () => TestBucket][] = [
  [
    'memory',
    () => {
      const bucket = memoryBucket();
      return { bucket, send: bucket.fetch };
    },
  ],
  ['AWS SDK', () => ({ bucket: sdkBucket(s3.client(), bucketName), send: fetch })],
  ['signed fetch', () => ({ bucket: fetchBucket(accessTo(s3.url), bucketName), send: fetch })],
];

describe.each(buckets)('bucket: %s', (adapter, open) => {
  let bucket: Bucket;
  let send: typeof fetch;
  beforeAll(() => {
    ({ bucket, send } = open());
  });
  /** Each adapter has its own keys, for two share a server. */
  const key = (name: string) => `${adapter.replace(' ', '-')}/${name}`;
  const textAt = async (name: string) => {
    const found = await bucket.getBytes(key(name));
    return found && new TextDecoder().decode(found.bytes);
  };

  test('what was put is there, until it is deleted', async () => {
    const { etag } = await bucket.put(key('object'), bytesOf('hello'), { contentType: 'text/plain' });
    const info = { etag, size: 5, contentType: 'text/plain' };
    expect(await bucket.head(key('object'))).toEqual(info);
    expect(await bucket.getBytes(key('object'))).toEqual({ ...info, bytes: bytesOf('hello') });
    const { body, ...found } = (await bucket.get(key('object'))) ?? {};
    expect(found).toEqual(info);
    expect(await new Response(body).text()).toBe('hello');
    await bucket.delete(key('object'));
    await bucket.delete(key('object'));
    expect(await bucket.head(key('object'))).toBeUndefined();
    expect(await bucket.get(key('object'))).toBeUndefined();
    expect(await bucket.getBytes(key('object'))).toBeUndefined();
  });

  test('an object may be empty, and has a type though nobody gave one', async () => {
    await bucket.put(key('empty'), new Uint8Array());
    expect(await bucket.getBytes(key('empty'))).toMatchObject({
      size: 0,
      bytes: new Uint8Array(),
      contentType: 'application/octet-stream',
    });
    const { body } = (await bucket.get(key('empty'))) ?? {};
    expect(await new Response(body).text()).toBe('');
  });

  test('a stream is put and got', async () => {
    const block = new Uint8Array(100_000).fill(97);
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let i = 0; i < 5; i++) controller.enqueue(block);
        controller.close();
      },
    });
    const { etag } = await bucket.put(key('stream'), { stream, size: 500_000 });
    const found = await bucket.get(key('stream'));
    expect(found).toMatchObject({ etag, size: 500_000 });
    expect(await new Response(found?.body).text()).toBe('a'.repeat(500_000));
  });

  test('a range of an object', async () => {
    await bucket.put(key('range'), bytesOf('0123456789'));
    const some = await bucket.getBytes(key('range'), { range: { start: 2, end: 4 } });
    expect(some).toMatchObject({ size: 10, bytes: bytesOf('234') });
    const rest = await bucket.get(key('range'), { range: { start: 7 } });
    expect(rest?.size).toBe(10);
    expect(await new Response(rest?.body).text()).toBe('789');
  });

  test('a copy is an object of its own', async () => {
    await bucket.put(key('from (1)'), bytesOf('hello'), { contentType: 'text/plain' });
    expect(await bucket.copy(key('from (1)'), key('to'))).toBe(true);
    await bucket.put(key('from (1)'), bytesOf('other'));
    expect(await bucket.getBytes(key('to'))).toMatchObject({ bytes: bytesOf('hello'), contentType: 'text/plain' });
    expect(await bucket.copy(key('nowhere'), key('to'))).toBe(false);
    expect(await textAt('to')).toBe('hello');
  });

  test('nothing new', async () => {
    const { etag } = await bucket.put(key('new'), bytesOf('1'));
    expect(await bucket.get(key('new'), { ifNoneMatch: etag })).toBeUndefined();
    await bucket.put(key('new'), bytesOf('2'));
    const found = await bucket.get(key('new'), { ifNoneMatch: etag });
    expect(await new Response(found?.body).text()).toBe('2');
  });

  test('a write on a condition', async () => {
    const put = (text: string, options: object) => bucket.put(key('if'), bytesOf(text), options);
    await expect(put('0', { ifMatch: '"none"' })).rejects.toBeInstanceOf(PreconditionFailed);
    const { etag } = await put('1', { ifNoneMatch: '*' });
    await expect(put('2', { ifNoneMatch: '*' })).rejects.toBeInstanceOf(PreconditionFailed);
    const next = await put('3', { ifMatch: etag });
    expect(next.etag).not.toBe(etag);
    await expect(put('4', { ifMatch: etag })).rejects.toBeInstanceOf(PreconditionFailed);
    expect(await textAt('if')).toBe('3');
  });

  test('of many writers over the same version one wins', async () => {
    const { etag } = await bucket.put(key('race'), bytesOf('start'));
    const writes = Array.from({ length: 8 }, (_, i) => bucket.put(key('race'), bytesOf(`${i}`), { ifMatch: etag }));
    const results = await Promise.allSettled(writes);
    const winners = results.flatMap(({ status }, i) => (status === 'fulfilled' ? [`${i}`] : []));
    expect(winners).toEqual([await textAt('race')]);
    for (const result of results) if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(PreconditionFailed);
  });

  test('a listing, whole, in pages, and by folder', async () => {
    const names = ['l/a', 'l/b/1', 'l/b/2', 'l/b/3', 'l/c', 'l/d/1', 'l2'].map(key);
    const put = await Promise.all(names.map((name) => bucket.put(name, bytesOf(name))));
    const whole = await bucket.list(key('l/'));
    const keys = names.slice(0, 6).map((name, i) => ({ key: name, size: name.length, etag: put[i]?.etag }));
    expect(whole).toEqual({ keys, prefixes: [], next: undefined });
    expect((await bucket.list(key('l/'), { after: key('l/b/2') })).keys.map((found) => found.key)).toEqual(names.slice(3, 6));
    const folders = await bucket.list(key('l/'), { delimiter: '/' });
    expect([folders.keys.map((found) => found.key), folders.prefixes]).toEqual([
      ['l/a', 'l/c'].map(key),
      ['l/b/', 'l/d/'].map(key),
    ]);
    expect(await bucket.list(key('none/'))).toEqual({ keys: [], prefixes: [], next: undefined });

    for (const limit of [1, 2, 3, 4]) {
      for (const delimiter of [undefined, '/']) {
        const seen: string[] = [];
        let after: string | undefined;
        do {
          const page = await bucket.list(key('l/'), {
            limit,
            ...(after === undefined ? {} : { after }),
            ...(delimiter ? { delimiter } : {}),
          });
          const got = [...page.keys.map((found) => found.key), ...page.prefixes];
          expect(got.length).toBeLessThanOrEqual(limit);
          seen.push(...got);
          after = page.next;
        } while (after !== undefined);
        expect(seen.sort()).toEqual(delimiter ? ['l/a', 'l/b/', 'l/c', 'l/d/'].map(key) : names.slice(0, 6));
      }
    }
  });

  test.each(["a b+c&d=e;f,g:h@i$j!k*l'm(n)o~p", 'q?r#s%2Ft%u', '.dot/..dots/-_', 'x'.repeat(900)])('key %s', async (name) => {
    const { etag } = await bucket.put(key(name), bytesOf(name));
    expect(await textAt(name)).toBe(name);
    expect((await bucket.list(key(name))).keys).toEqual([{ key: key(name), size: name.length, etag }]);
    await bucket.delete(key(name));
    expect(await bucket.head(key(name))).toBeUndefined();
  });

  const picture = { size: 7, sha256: sha256('picture'), contentType: 'image/png', expiresSeconds: 60 };

  test('a presigned PUT takes the bytes it was signed for, and no others', async () => {
    const { url, headers } = await bucket.presignPut(key('upload'), picture);
    const put = async (body: string, sent = headers) => (await send(url, { method: 'PUT', headers: sent, body })).status;
    expect(await put('PICTURE')).toBe(400);
    expect(await put('picture and more')).toBeGreaterThanOrEqual(400);
    expect(await put('pic')).toBeGreaterThanOrEqual(400);
    expect(await put('picture', {})).toBe(403);
    expect(await bucket.head(key('upload'))).toBeUndefined();
    expect(await put('picture')).toBe(200);
    expect(await bucket.head(key('upload'))).toMatchObject({ size: 7, contentType: 'image/png' });
    expect(await textAt('upload')).toBe('picture');
  });

  test('a presigned GET', async () => {
    await bucket.put(key('download'), bytesOf('picture'), { contentType: 'image/png' });
    const answer = await send(await bucket.presignGet(key('download'), { expiresSeconds: 60, filename: 'ä b.png' }));
    expect([answer.status, await answer.text()]).toEqual([200, 'picture']);
    if (adapter === 'memory') return;
    expect(answer.headers.get('content-disposition')).toBe("attachment;filename*=UTF-8''%C3%A4%20b.png");
    expect(answer.headers.get('content-type')).toBe('image/png');
  });

  test('presigned URLs expire', async () => {
    const { url, headers } = await bucket.presignPut(key('late'), { ...picture, expiresSeconds: 1 });
    const get = await bucket.presignGet(key('download'), { expiresSeconds: 1 });
    await sleep(2010);
    expect((await send(url, { method: 'PUT', headers, body: 'picture' })).status).toBe(403);
    expect((await send(get)).status).toBe(403);
    expect(await bucket.head(key('late'))).toBeUndefined();
  });
});

/** A queue whose messages are hidden for 1 s and come twice at most, and where they go then. */
type TestQueue = { queue: Queue; dead: Queue };
const client = () => sqs.client();
async function queueUrls(name: string) {
  const create = async (QueueName: string, Attributes: Record<string, string>) =>
    (await client().send(new CreateQueueCommand({ QueueName, Attributes }))).QueueUrl ?? '';
  const dead = await create(`${name}-dead`, {});
  const deadLetterTargetArn = `arn:aws:sqs:us-east-1:000000000000:${name}-dead`;
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 2 });
  return { url: await create(name, { VisibilityTimeout: '1', RedrivePolicy }), dead };
}
const queues: [string, (name: string) => Promise<TestQueue>][] = [
  [
    'memory',
    async () => {
      const dead = memoryQueue();
      return { queue: memoryQueue({ visibilitySeconds: 1, maxReceiveCount: 2, dead }), dead };
    },
  ],
  [
    'AWS SDK',
    async (name) => {
      const { url, dead } = await queueUrls(`sdk-${name}`);
      return { queue: sdkQueue(client(), url), dead: sdkQueue(client(), dead) };
    },
  ],
  [
    'signed fetch',
    async (name) => {
      const { url, dead } = await queueUrls(`fetch-${name}`);
      return { queue: fetchQueue(accessTo(sqs.url), url), dead: fetchQueue(accessTo(sqs.url), dead) };
    },
  ],
];

describe.concurrent.each(queues)('queue: %s', (_, open) => {
  const bodies = (messages: { body: string }[]) => messages.map(({ body }) => body).sort();

  test('messages come once and are gone when deleted', async ({ expect }) => {
    const { queue } = await open('once');
    const body = JSON.stringify({ kind: 'image', text: 'ü 猫' });
    await queue.send(body, { group: 'tenant' });
    await queue.send('second');
    const messages = await queue.receive({ maxMessages: 10, visibilitySeconds: 1 });
    expect(bodies(messages)).toEqual(['second', body]);
    expect(messages.map(({ receiveCount }) => receiveCount)).toEqual([1, 1]);
    for (const { receipt } of messages) await queue.delete(receipt);
    expect(await queue.receive({ maxMessages: 10, waitSeconds: 2 })).toEqual([]);
  });

  test('what nobody has taken yet is counted', async () => {
    const { queue } = await open('waiting');
    expect(await queue.waiting()).toBe(0);
    for (let i = 0; i < 3; i++) await queue.send(`${i}`);
    expect(await queue.waiting()).toBe(3);
    await queue.receive({ visibilitySeconds: 30 });
    expect(await queue.waiting()).toBe(2);
  });

  test('one at a time unless more are asked for', async ({ expect }) => {
    const { queue } = await open('one');
    for (let i = 0; i < 12; i++) await queue.send(`${i}`);
    expect(await queue.receive()).toHaveLength(1);
    expect((await queue.receive({ maxMessages: 10 })).length).toBeGreaterThan(1);
  });

  test('a message not deleted comes again', async ({ expect }) => {
    const { queue } = await open('again');
    await queue.send('again');
    expect(await queue.receive()).toHaveLength(1);
    expect(await queue.receive()).toEqual([]);
    const started = Date.now();
    expect(await queue.receive({ waitSeconds: 5 })).toMatchObject([{ body: 'again', receiveCount: 2 }]);
    expect(Date.now() - started).toBeGreaterThan(500);
  });

  test('a message is kept by extending it, and given back by extending it by nothing', async ({ expect }) => {
    const { queue } = await open('extend');
    await queue.send('work');
    const [message] = await queue.receive();
    await queue.extend(message?.receipt ?? '', 10);
    await sleep(1200);
    expect(await queue.receive()).toEqual([]);
    await queue.extend(message?.receipt ?? '', 0);
    expect(await queue.receive({ waitSeconds: 1 })).toMatchObject([{ body: 'work', receiveCount: 2 }]);
  });

  test('a receipt that is none', async ({ expect }) => {
    const { queue } = await open('receipt');
    await expect(queue.extend('no receipt', 1)).rejects.toThrow();
    await queue.send('gone');
    const [message] = await queue.receive();
    await queue.delete(message?.receipt ?? '');
    await queue.delete(message?.receipt ?? '');
    await expect(queue.extend(message?.receipt ?? '', 1)).rejects.toThrow();
  });

  test('a message that came too often is in the other queue', async ({ expect }) => {
    const { queue, dead } = await open('dead');
    await queue.send('poison');
    for (let i = 0; i < 2; i++) expect(await queue.receive({ visibilitySeconds: 0, waitSeconds: 1 })).toHaveLength(1);
    await sleep(5);
    expect(await queue.receive()).toEqual([]);
    expect(bodies(await dead.receive({ waitSeconds: 1 }))).toEqual(['poison']);
  });

  test('a message may be sent ahead of its time', async ({ expect }) => {
    const { queue } = await open('delay');
    await queue.send('later', { delaySeconds: 1 });
    expect(await queue.receive()).toEqual([]);
    expect(bodies(await queue.receive({ waitSeconds: 5 }))).toEqual(['later']);
  });

  test('waiting ends with a message, with the time, or with the signal', async ({ expect }) => {
    const { queue } = await open('wait');
    const started = Date.now();
    const waiting = queue.receive({ waitSeconds: 20 });
    await sleep(100);
    await queue.send('here');
    expect(bodies(await waiting)).toEqual(['here']);
    const abort = new AbortController();
    const aborted = queue.receive({ waitSeconds: 20, signal: abort.signal });
    await sleep(100);
    abort.abort();
    expect(await aborted).toEqual([]);
    expect(await queue.receive({ waitSeconds: 20, signal: abort.signal })).toEqual([]);
    expect(Date.now() - started).toBeLessThan(5000);
  });
});
