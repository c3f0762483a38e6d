import { createHash, createHmac } from 'node:crypto';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Bucket, credentials, testS3 } from './test-s3.ts';

let s3: Awaited<ReturnType<typeof testS3>>;
beforeAll(async () => {
  s3 = await testS3();
});
afterAll(() => s3.close());

/** The fields of a form as https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html makes them. */
function signForm(conditions: unknown[], options: { expiresMs?: number; secret?: string } = {}): Record<string, string> {
  const { expiresMs = 60_000, secret = credentials.secretAccessKey } = options;
  const date = new Date().toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
  const scope = [date.slice(0, 8), 'us-east-1', 's3', 'aws4_request'];
  const fields = {
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': [credentials.accessKeyId, ...scope].join('/'),
    'x-amz-date': date,
  };
  const expiration = new Date(Date.now() + expiresMs).toISOString();
  const policy = Buffer.from(
    JSON.stringify({
      expiration,
      conditions: [{ bucket: Bucket }, ...conditions, ...Object.entries(fields).map(([name, value]) => ({ [name]: value }))],
    }),
  ).toString('base64');
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
  const key = scope.reduce<string | Buffer>((secret, step) => hmac(secret, step), `AWS4${secret}`);
  return { ...fields, policy, 'x-amz-signature': hmac(key, policy).toString('hex') };
}

/** Sends a form as a browser does. */
async function post(fields: Record<string, string>, body: string | Uint8Array<ArrayBuffer>, filename = 'cat.png') {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  form.set('file', new File([body], filename));
  const answer = await fetch(`${s3.url}/${Bucket}`, { method: 'POST', body: form, headers: { origin: 'http://localhost:1' } });
  expect(answer.headers.get('access-control-allow-origin')).toBe('*');
  const text = await answer.text();
  return {
    status: answer.status,
    headers: answer.headers,
    text,
    code: `${answer.status} ${/<Code>(.*?)<\/Code>/.exec(text)?.[1]}`,
  };
}
const get = (Key: string) => s3.client().send(new GetObjectCommand({ Bucket, Key }));

const conditions = [
  ['starts-with', '$key', 'uploads/'],
  ['eq', '$Content-Type', 'image/png'],
  ['content-length-range', 3, 300_000],
  { 'x-amz-meta-tenant': 'local' },
];
const given = { key: 'uploads/a.png', 'Content-Type': 'image/png', 'x-amz-meta-tenant': 'local' };

test('a form that keeps to its policy is stored', async () => {
  // Bytes that look like the end of the form, and lie across the pieces that arrive.
  const bytes = new Uint8Array(200_000).map((_, i) => [13, 10, 45, 45, i & 255][i % 5] ?? 0);
  const answer = await post({ ...signForm(conditions), ...given }, bytes);
  expect([answer.status, answer.text]).toEqual([204, '']);
  const etag = `"${createHash('md5').update(bytes).digest('hex')}"`;
  expect(answer.headers.get('etag')).toBe(etag);
  const found = await get('uploads/a.png');
  expect(found).toMatchObject({ ETag: etag, ContentType: 'image/png', Metadata: { tenant: 'local' }, ContentLength: 200_000 });
});

test('the key may take the file’s name, the answer the form’s status', async () => {
  const statusCondition = { success_action_status: '201' };
  const fields = { ...signForm([...conditions, statusCondition]), ...given, ...statusCondition };
  const answer = await post({ ...fields, key: 'uploads/$' + '{filename}' }, 'meow', '..\\the cat.png');
  expect(answer.status).toBe(201);
  expect(answer.text).toContain('<Key>uploads/the cat.png</Key>');
  expect(await (await get('uploads/the cat.png')).Body?.transformToString()).toBe('meow');
});

const checksumOf = (text: string) => createHash('sha256').update(text).digest('base64');
const withChecksum = [...conditions, ['starts-with', '$x-amz-checksum-sha256', '']];

test.each<[string, Record<string, string>, string]>([
  ['403 AccessDenied', { ...signForm(conditions), ...given, key: 'elsewhere/a.png' }, 'meow'],
  ['403 AccessDenied', { ...signForm(conditions), ...given, 'Content-Type': 'text/html' }, 'meow'],
  ['403 AccessDenied', { ...signForm(conditions), ...given, 'x-amz-meta-more': 'x' }, 'meow'],
  ['403 AccessDenied', { ...signForm(conditions), key: 'uploads/a', 'Content-Type': 'image/png' }, 'meow'],
  ['403 AccessDenied', { ...signForm(conditions, { expiresMs: -1000 }), ...given }, 'meow'],
  ['403 AccessDenied', given, 'meow'],
  ['403 SignatureDoesNotMatch', { ...signForm(conditions, { secret: 'other' }), ...given }, 'meow'],
  [
    '403 SignatureDoesNotMatch',
    { ...signForm(conditions), policy: signForm([['starts-with', '$key', '']]).policy ?? '', ...given },
    'meow',
  ],
  ['400 InvalidArgument', { ...signForm(conditions), 'x-amz-algorithm': 'none', ...given }, 'meow'],
  ['400 EntityTooSmall', { ...signForm(conditions), ...given }, 'me'],
  ['400 EntityTooLarge', { ...signForm(conditions), ...given }, 'm'.repeat(300_001)],
  ['400 KeyTooLongError', { ...signForm(conditions), ...given, key: `uploads/${'x'.repeat(1020)}` }, 'meow'],
  ['400 BadDigest', { ...signForm(withChecksum), ...given, 'x-amz-checksum-sha256': checksumOf('woof') }, 'meow'],
  ['204 undefined', { ...signForm(withChecksum), ...given, 'x-amz-checksum-sha256': checksumOf('meow') }, 'meow'],
])('%s', async (code, fields, body) => {
  expect((await post(fields, body)).code).toBe(code);
});

test.each([
  ['multipart/form-data', '--x\r\n'],
  ['multipart/form-data; boundary=x', 'no boundary at all'],
  ['multipart/form-data; boundary=x', '--x\r\ncontent-disposition: form-data; name="key"\r\n\r\nvalue\r\n--x--\r\n'],
  [
    'multipart/form-data; boundary=x',
    `--x\r\ncontent-disposition: form-data; name="key"\r\n\r\n${'v'.repeat(200_000)}\r\n--x--\r\n`,
  ],
])('a body that is no form: %s', async (type, body) => {
  const answer = await fetch(`${s3.url}/${Bucket}`, { method: 'POST', body, headers: { 'content-type': type } });
  expect(await answer.text()).toContain('<Code>MalformedPOSTRequest</Code>');
});
