import { createHash } from 'node:crypto';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, type PutObjectCommandInput } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Bucket, codeOf, credentials, failure, raw, testS3 } from './test-s3.ts';

let s3: Awaited<ReturnType<typeof testS3>>;
let client: ReturnType<typeof s3.client>;
beforeAll(async () => {
  s3 = await testS3();
  client = s3.client();
  await client.send(new PutObjectCommand({ Bucket, Key: 'there', Body: 'there' }));
});
afterAll(() => s3.close());

const list = new ListObjectsV2Command({ Bucket });
const sha256 = (text: string) => createHash('sha256').update(text).digest('base64');
const textOf = async (Key: string) => (await client.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString();

describe('signed requests', () => {
  test('of other keys, or of another time, are refused', async () => {
    const call = (wrong: Partial<typeof credentials>) =>
      failure(s3.client({ credentials: { ...credentials, ...wrong } }).send(list));
    expect(await call({})).toBe('it did not fail');
    expect(await call({ secretAccessKey: 'other' })).toBe('403 SignatureDoesNotMatch');
    expect(await call({ accessKeyId: 'OTHER' })).toBe('403 InvalidAccessKeyId');
    expect(await failure(s3.client({ systemClockOffset: 16 * 60_000 }).send(list))).toBe('403 RequestTimeTooSkewed');
    expect(await failure(s3.client({ systemClockOffset: -14 * 60_000 }).send(list))).toBe('it did not fail');
  });

  test('that were changed on the way are refused', async () => {
    const put = (change: (request: Tampered) => void) => {
      const tampering = s3.client();
      tampering.middlewareStack.add(
        (next) => async (args) => {
          change(tampered(args.request));
          return next(args);
        },
        { step: 'finalizeRequest', priority: 'low' },
      );
      return failure(tampering.send(new PutObjectCommand({ Bucket, Key: 'key', Body: 'right', Metadata: { a: 'b' } })));
    };
    expect(await put(() => undefined)).toBe('it did not fail');
    const changes: [string, (request: Tampered) => void][] = [
      ['403 SignatureDoesNotMatch', ({ headers }) => Object.assign(headers, { 'x-amz-meta-a': 'c' })],
      ['403 AccessDenied', ({ headers }) => Object.assign(headers, { 'x-amz-meta-new': 'c' })],
      ['403 SignatureDoesNotMatch', (request) => Object.assign(request, { path: `/${Bucket}/other` })],
      ['403 SignatureDoesNotMatch', (request) => Object.assign(request, { method: 'DELETE' })],
      ['403 SignatureDoesNotMatch', ({ headers }) => Object.assign(headers, { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' })],
      ['400 XAmzContentSHA256Mismatch', (request) => Object.assign(request, { body: 'wrong' })],
    ];
    for (const [error, change] of changes) expect(await put(change)).toBe(error);
    expect(await textOf('key')).toBe('right');
  });

  test('are needed for everything', async () => {
    for (const method of ['GET', 'PUT', 'DELETE', 'POST']) {
      expect(codeOf(await raw(`${s3.url}/${Bucket}/there`, { method }))).toBe('403 AccessDenied');
    }
    const headers = { authorization: 'Basic YTpi', 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
    expect(codeOf(await raw(`${s3.url}/${Bucket}/there`, { headers }))).toBe('400 AuthorizationHeaderMalformed');
    expect(codeOf(await raw(`${s3.url}/${Bucket}/%ff`))).toBe('400 InvalidURI');
  });
});

describe('presigned GET', () => {
  const sign = (expiresIn = 60, more: object = {}) =>
    getSignedUrl(client, new GetObjectCommand({ Bucket, Key: 'there', ...more }), { expiresIn });

  test('gives the object until it expires', async () => {
    expect(await (await fetch(await sign())).text()).toBe('there');
    const old = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: 'there' }), {
      expiresIn: 60,
      signingDate: new Date(Date.now() - 61_000),
    });
    expect(codeOf(await raw(old))).toBe('403 AccessDenied');
  });

  test('sets the headers it was signed for', async () => {
    const url = await sign(60, { ResponseContentDisposition: 'attachment; filename="a b.png"' });
    const answer = await fetch(url);
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="a b.png"');
    expect(codeOf(await raw(url.replace('attachment', 'inline')))).toBe('403 SignatureDoesNotMatch');
  });

  test('is good for nothing else', async () => {
    const url = await sign();
    expect(codeOf(await raw(url.replace('/there', '/key')))).toBe('403 SignatureDoesNotMatch');
    expect(codeOf(await raw(url.replace('Expires=60', 'Expires=6000')))).toBe('403 SignatureDoesNotMatch');
    expect(codeOf(await raw(`${url}&response-content-type=text/html`))).toBe('403 SignatureDoesNotMatch');
    expect(codeOf(await raw(url, { method: 'PUT', body: 'other' }))).toBe('403 SignatureDoesNotMatch');
    expect(codeOf(await raw(url, { method: 'DELETE' }))).toBe('403 SignatureDoesNotMatch');
  });
});

describe('presigned PUT', () => {
  const body = 'twelve bytes';
  const headers = { 'content-type': 'image/png', 'x-amz-checksum-sha256': sha256(body) };
  /** Size, type and digest signed, which the SDK's presigner must be talked into. */
  function sign(more: Partial<PutObjectCommandInput> = {}) {
    const presigning = s3.client({ requestChecksumCalculation: 'WHEN_REQUIRED' });
    const command = new PutObjectCommand({
      Bucket,
      Key: 'presigned',
      ContentType: 'image/png',
      ContentLength: body.length,
      ChecksumSHA256: sha256(body),
      ...more,
    });
    return getSignedUrl(presigning, command, {
      expiresIn: 60,
      signableHeaders: new Set(['content-type', 'content-length', 'host']),
      unhoistableHeaders: new Set(['x-amz-checksum-sha256']),
    });
  }
  const put = async (headers: Record<string, string>, body: string) => raw(await sign(), { method: 'PUT', headers, body });

  test('takes these bytes and no others', async () => {
    const length = { 'content-length': '12' };
    expect((await put({ ...headers, ...length }, body)).status).toBe(200);
    expect(await textOf('presigned')).toBe(body);
    expect(codeOf(await put({ ...headers, ...length }, 'other bytes!'))).toBe('400 BadDigest');
    const shorter = { ...headers, 'content-length': '11' };
    expect(codeOf(await put(shorter, 'twelve byte'))).toBe('403 SignatureDoesNotMatch');
    expect(codeOf(await put({ ...headers, 'transfer-encoding': 'chunked' }, body))).toBe('403 SignatureDoesNotMatch');
    const otherDigest = { ...headers, ...length, 'x-amz-checksum-sha256': sha256('other bytes!') };
    expect(codeOf(await put(otherDigest, 'other bytes!'))).toBe('403 SignatureDoesNotMatch');
    expect(codeOf(await put({ ...headers, ...length, 'content-type': 'text/html' }, body))).toBe('403 SignatureDoesNotMatch');
    expect(codeOf(await put({ 'content-type': 'image/png', ...length }, body))).toBe('403 SignatureDoesNotMatch');
    expect(await textOf('presigned')).toBe(body);
  });

  test('takes nothing over an object if it was signed so', async () => {
    const url = await sign({ IfNoneMatch: '*', Key: 'once' });
    const once = { ...headers, 'content-length': '12', 'if-none-match': '*' };
    expect((await raw(url, { method: 'PUT', headers: once, body })).status).toBe(200);
    expect(codeOf(await raw(url, { method: 'PUT', headers: once, body }))).toBe('412 PreconditionFailed');
  });

  test('with a signed x-amz-content-sha256 takes only that body', async () => {
    const hex = Buffer.from(sha256(body), 'base64').toString('hex');
    const command = new PutObjectCommand({ Bucket, Key: 'by-hash' });
    command.middlewareStack.add(
      (next) => async (args) => {
        tampered(args.request).headers['x-amz-content-sha256'] = hex;
        return next(args);
      },
      { step: 'build' },
    );
    const url = await getSignedUrl(s3.client({ requestChecksumCalculation: 'WHEN_REQUIRED' }), command, {
      unhoistableHeaders: new Set(['x-amz-content-sha256']),
    });
    const sent = { 'x-amz-content-sha256': hex };
    expect((await raw(url, { method: 'PUT', headers: sent, body })).status).toBe(200);
    expect(codeOf(await raw(url, { method: 'PUT', headers: sent, body: 'other' }))).toBe('400 XAmzContentSHA256Mismatch');
  });

  test('as the SDK makes it by default has the checksum of no bytes, and so takes none', async () => {
    const url = await getSignedUrl(client, new PutObjectCommand({ Bucket, Key: 'default' }));
    expect(url).toContain('x-amz-checksum-crc32=AAAAAA%3D%3D');
    expect(codeOf(await raw(url, { method: 'PUT', body }))).toBe('400 BadDigest');
  });

  test('needs a size', async () => {
    const url = await getSignedUrl(
      s3.client({ requestChecksumCalculation: 'WHEN_REQUIRED' }),
      new PutObjectCommand({ Bucket, Key: 'size' }),
    );
    const headers = { 'transfer-encoding': 'chunked' };
    expect(codeOf(await raw(url, { method: 'PUT', headers, body }))).toBe('411 MissingContentLength');
  });
});

describe('browsers on other origins', () => {
  test('may ask beforehand, and read answers and errors', async () => {
    const headers = {
      origin: 'http://127.0.0.1:5173',
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'content-type,x-amz-checksum-sha256',
    };
    const answer = await raw(`${s3.url}/${Bucket}/key`, { method: 'OPTIONS', headers });
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': expect.stringContaining('PUT'),
      'access-control-allow-headers': 'content-type,x-amz-checksum-sha256',
    });
    const url = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: 'there' }));
    const found = await raw(url, { headers: { origin: 'http://127.0.0.1:5173' } });
    expect([found.text, found.headers['access-control-allow-origin']]).toEqual(['there', '*']);
    expect(found.headers['access-control-expose-headers']).toContain('ETag');
    const denied = await raw(`${s3.url}/${Bucket}/there`, { headers: { origin: 'null' } });
    expect([codeOf(denied), denied.headers['access-control-allow-origin']]).toEqual(['403 AccessDenied', '*']);
  });
});

type Tampered = { method: string; path: string; body: unknown; headers: Record<string, string> };

/** The SDK's request, as far as it is tampered with here. */
function tampered(request: unknown): Tampered {
  const known = (value: unknown): value is Tampered =>
    typeof value === 'object' && value !== null && 'path' in value && 'headers' in value;
  if (!known(request)) throw new Error('the SDK has another kind of request');
  return request;
}
