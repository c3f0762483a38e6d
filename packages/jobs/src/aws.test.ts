import { afterEach, expect, test, vi } from 'vitest';
import { type AwsAccess, presign } from './aws.ts';
import { fetchBucket } from './bucket/fetch.ts';
import { PreconditionFailed } from './bucket/port.ts';
import { hexToBase64, sha256Hex } from './digest.ts';
import { fetchQueue } from './queue/fetch.ts';

// The access key of the examples in AWS's documentation of signature version 4.
const credentials = () => ({
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
});

afterEach(() => vi.useRealTimers());

/** An access whose answers are canned; `requests` is what was sent. */
function canned(...answers: (Response | Error)[]) {
  const requests: Request[] = [];
  const access: AwsAccess = {
    endpoint: 'https://s3.example',
    region: 'us-east-1',
    credentials,
    fetch: async (input, init) => {
      requests.push(new Request(input, init));
      const answer = answers.shift() ?? new Error('no more answers');
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  return { access, requests };
}

test('a presigned GET is the one of AWS’s documentation', async () => {
  // docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
  vi.useFakeTimers({ now: new Date('2013-05-24T00:00:00Z') });
  const url = await presign(canned().access, {
    method: 'GET',
    url: 'https://examplebucket.s3.amazonaws.com/test.txt',
    expiresSeconds: 86400,
  });
  expect(new URL(url).searchParams.get('X-Amz-Signature')).toBe(
    'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
  );
});

test('a presigned PUT signs size, digest and type; another size, digest or type has another signature', async () => {
  vi.useFakeTimers({ now: new Date('2026-01-01T00:00:00Z') });
  const bucket = fetchBucket(canned().access, 'b');
  const wanted = { size: 3, sha256: await sha256Hex(new Uint8Array([1, 2, 3])), contentType: 'image/png', expiresSeconds: 900 };
  const signature = async (changes: Partial<typeof wanted>) => {
    const { url } = await bucket.presignPut('a/b', { ...wanted, ...changes });
    return new URL(url).searchParams.get('X-Amz-Signature');
  };
  const { url, headers } = await bucket.presignPut('a/b', wanted);
  const { pathname, searchParams } = new URL(url);
  expect(pathname).toBe('/b/a/b');
  expect(searchParams.get('X-Amz-SignedHeaders')).toBe('content-length;content-type;host;x-amz-checksum-sha256');
  expect(searchParams.get('X-Amz-Expires')).toBe('900');
  expect([...searchParams.keys()].filter((name) => /checksum|crc/i.test(name))).toEqual([]);
  // openssl dgst -sha256 -binary | base64
  expect(headers).toEqual({
    'content-type': 'image/png',
    'x-amz-checksum-sha256': 'A5BYxvLAy0ksUzsKTRTvd8wPeKvMztUofYShogEc+4E=',
  });
  const signatures = await Promise.all([
    signature({}),
    signature({ size: 4 }),
    signature({ sha256: 'ab'.repeat(32) }),
    signature({ contentType: 'image/webp' }),
  ]);
  expect(signatures[0]).toBe(searchParams.get('X-Amz-Signature'));
  expect(new Set(signatures).size).toBe(4);
});

test('hex to base64', () => expect(hexToBase64('00ff10')).toBe('AP8Q'));

test('an S3 listing is read, entities and all, and says where the next page begins', async () => {
  const xml = `<?xml version="1.0"?><ListBucketResult><Prefix>p/</Prefix><IsTruncated>true</IsTruncated>
    <Contents><Key>p/a&amp;b&#x27;&#233;</Key><Size>12</Size><ETag>&quot;e1&quot;</ETag></Contents>
    <Contents><Key>p/c</Key><Size>0</Size><ETag>&quot;e2&quot;</ETag></Contents>
    <CommonPrefixes><Prefix>p/d/</Prefix></CommonPrefixes></ListBucketResult>`;
  const { access, requests } = canned(new Response(xml));
  const listing = await fetchBucket(access, 'b').list('p/', { after: 'p/ 1', limit: 3, delimiter: '/' });
  expect(listing).toEqual({
    keys: [
      { key: "p/a&b'é", size: 12, etag: '"e1"' },
      { key: 'p/c', size: 0, etag: '"e2"' },
    ],
    prefixes: ['p/d/'],
    next: 'p/d/~',
  });
  expect(requests[0]?.url).toBe('https://s3.example/b?list-type=2&max-keys=3&prefix=p%2F&start-after=p%2F%201&delimiter=%2F');
});

test.each([409, 412, 404])(
  'status %d of a conditional write is a failed precondition, of another write a fault',
  async (status) => {
    const answer = () => new Response('<Error/>', { status });
    await expect(fetchBucket(canned(answer()).access, 'b').put('k', new Uint8Array(), { ifMatch: '"1"' })).rejects.toThrow(
      PreconditionFailed,
    );
    await expect(fetchBucket(canned(answer()).access, 'b').put('k', new Uint8Array())).rejects.toMatchObject({ status });
  },
);

test('what fails for the moment is tried again, what is refused is not', async () => {
  const good = () => new Response('x', { headers: { etag: '"1"', 'content-length': '1' } });
  const moody = canned(new Error('reset'), new Response('', { status: 503 }), good());
  expect((await fetchBucket(moody.access, 'b').getBytes('k'))?.bytes).toEqual(new Uint8Array([120]));
  expect(moody.requests.length).toBe(3);

  const refused = canned(new Response('<Code>AccessDenied</Code>', { status: 403 }));
  await expect(fetchBucket(refused.access, 'b').getBytes('k')).rejects.toThrow(/get k: 403 .*AccessDenied/);
  expect(refused.requests.length).toBe(1);

  const down = canned(...Array.from({ length: 5 }, () => new Response('', { status: 500 })));
  await expect(fetchBucket(down.access, 'b').head('k')).rejects.toMatchObject({ status: 500 });
  expect(down.requests.length).toBe(4);
});

test('a message is sent in SQS’s JSON protocol, signed for SQS', async () => {
  const { access, requests } = canned(new Response('{}'));
  await fetchQueue(access, 'https://sqs.example/1/q').send('{"a":1}', { group: 't', delaySeconds: 3 });
  const [request] = requests;
  expect(request?.headers.get('x-amz-target')).toBe('AmazonSQS.SendMessage');
  expect(request?.headers.get('content-type')).toBe('application/x-amz-json-1.0');
  expect(request?.headers.get('authorization')).toMatch(
    /^AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE\/\d{8}\/us-east-1\/sqs\//,
  );
  expect(await request?.json()).toEqual({
    QueueUrl: 'https://sqs.example/1/q',
    MessageBody: '{"a":1}',
    MessageGroupId: 't',
    DelaySeconds: 3,
  });
});

test('an aborted wait for messages is an empty list; a fault is an error', async () => {
  const { access } = canned();
  const aborting = new AbortController();
  const hanging: AwsAccess = {
    ...access,
    fetch: (_, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason));
        aborting.abort();
      }),
  };
  const received = fetchQueue(hanging, 'https://sqs.example/1/q').receive({ waitSeconds: 20, signal: aborting.signal });
  expect(await received).toEqual([]);

  const refused = canned(new Response('{"__type":"QueueDoesNotExist"}', { status: 400 }));
  await expect(fetchQueue(refused.access, 'https://sqs.example/1/q').receive()).rejects.toThrow(
    /ReceiveMessage .*QueueDoesNotExist/,
  );
});
