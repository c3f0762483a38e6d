import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  ChecksumAlgorithm,
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketAclCommand,
  GetObjectCommand,
  type GetObjectCommandInput,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  PutObjectAclCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Bucket, failure, testS3 } from './test-s3.ts';

let s3: Awaited<ReturnType<typeof testS3>>;
let client: ReturnType<typeof s3.client>;
beforeAll(async () => {
  s3 = await testS3();
  client = s3.client();
});
afterAll(() => s3.close());

const put = (Key: string, Body: PutObjectCommandInput['Body'] = 'body', more: Partial<PutObjectCommandInput> = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
const get = (Key: string, more: Partial<GetObjectCommandInput> = {}) =>
  client.send(new GetObjectCommand({ Bucket, Key, ...more }));
const textOf = async (Key: string) => (await get(Key)).Body?.transformToString();
const md5 = (bytes: string | Uint8Array) => `"${createHash('md5').update(bytes).digest('hex')}"`;
const filesOnDisk = () => readdirSync(join(s3.folder, 'objects'));

describe('buckets', () => {
  test('are created, again without harm, and found', async () => {
    await client.send(new CreateBucketCommand({ Bucket: 'another.bucket-1' }));
    await client.send(new CreateBucketCommand({ Bucket: 'another.bucket-1' }));
    await client.send(new HeadBucketCommand({ Bucket: 'another.bucket-1' }));
  });

  test('that are not there', async () => {
    expect(await failure(client.send(new HeadBucketCommand({ Bucket: 'nowhere' })))).toBe('404 NotFound');
    const [Key, Body] = ['key', 'body'];
    expect(await failure(client.send(new PutObjectCommand({ Bucket: 'nowhere', Key, Body })))).toBe('404 NoSuchBucket');
    expect(await failure(client.send(new CreateBucketCommand({ Bucket: 'No_Bucket' })))).toBe('400 InvalidBucketName');
  });

  test('what is not implemented is not taken for something else', async () => {
    await put('acl', 'kept');
    expect(await failure(client.send(new GetBucketAclCommand({ Bucket })))).toBe('501 NotImplemented');
    expect(await failure(client.send(new PutObjectAclCommand({ Bucket, Key: 'acl', ACL: 'private' })))).toBe(
      '501 NotImplemented',
    );
    expect(await textOf('acl')).toBe('kept');
  });
});

describe('objects', () => {
  test('come back as they went in, headers too', async () => {
    const headers = {
      ContentType: 'image/png',
      CacheControl: 'max-age=60',
      ContentDisposition: 'inline; filename="a b.png"',
      ContentEncoding: 'gzip',
      ContentLanguage: 'de',
      Metadata: { subject: 'red apple' },
    };
    const bytes = Buffer.from([0, 255, 13, 10, 128]);
    const { ETag } = await put('headers', bytes, headers);
    expect(ETag).toBe(md5(bytes));
    const found = await get('headers');
    expect(found).toMatchObject({ ...headers, ETag, ContentLength: 5, AcceptRanges: 'bytes' });
    expect(await found.Body?.transformToByteArray()).toEqual(new Uint8Array(bytes));
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'headers' }));
    expect(head).toMatchObject({ ...headers, ETag, ContentLength: 5 });
    expect(head.LastModified?.getTime()).toBeGreaterThan(Date.now() - 10_000);
  });

  test('may be empty', async () => {
    await put('empty', '');
    const { Body, ContentLength } = await get('empty');
    expect(ContentLength).toBe(0);
    expect(await Body?.transformToByteArray()).toEqual(new Uint8Array());
  });

  test('are replaced and removed, with their files', async () => {
    const before = filesOnDisk().length;
    await put('twice', 'first');
    await put('twice', 'second');
    expect(await textOf('twice')).toBe('second');
    expect(filesOnDisk().length).toBe(before + 1);
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'twice' }));
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'twice' }));
    expect(await failure(get('twice'))).toBe('404 NoSuchKey');
    expect(await failure(client.send(new HeadObjectCommand({ Bucket, Key: 'twice' })))).toBe('404 NotFound');
    expect(filesOnDisk().length).toBe(before);
  });

  test('a reader gets the object it asked for to its end, though it is replaced and removed meanwhile', async () => {
    const bytes = Buffer.alloc(8 * 1024 ** 2, 'old');
    await put('read', bytes);
    const before = filesOnDisk().length;
    const { Body } = await get('read');
    await put('read', 'new');
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'read' }));
    expect(md5((await Body?.transformToByteArray()) ?? '')).toBe(md5(bytes));
    await expect.poll(() => filesOnDisk().length).toBe(before - 1);
  });

  test('answer headers can be overridden, but not forged', async () => {
    await put('override');
    const asked = {
      ResponseContentDisposition: 'attachment; filename="a.png"; filename*=UTF-8\'\'%C3%BC.png',
      ResponseContentType: 'image/webp',
    };
    const { ContentDisposition, ContentType } = await get('override', asked);
    expect(ContentDisposition).toBe(asked.ResponseContentDisposition);
    expect(ContentType).toBe('image/webp');
    const forged = { ResponseContentType: 'text/html\r\nSet-Cookie: a=b' };
    expect(await failure(get('override', forged))).toBe('400 InvalidArgument');
  });

  test('are copied, with other headers if asked', async () => {
    const { ETag } = await put('a/source ü', 'to copy', { ContentType: 'text/plain', Metadata: { a: '1' } });
    const CopySource = `${Bucket}/${encodeURIComponent('a/source ü')}`;
    const copied = await client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource }));
    expect(copied.CopyObjectResult?.ETag).toBe(ETag);
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'a/source ü' }));
    expect(await get('copy')).toMatchObject({ ETag, ContentType: 'text/plain', Metadata: { a: '1' } });
    expect(await textOf('copy')).toBe('to copy');
    const replace = { MetadataDirective: 'REPLACE', ContentType: 'text/html', CopySource: `${Bucket}/copy` } as const;
    await client.send(new CopyObjectCommand({ Bucket, Key: 'copy', ...replace }));
    expect(await get('copy')).toMatchObject({ ContentType: 'text/html', Metadata: {} });
    const missing = new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/missing` });
    expect(await failure(client.send(missing))).toBe('404 NoSuchKey');
  });
});

test.each([
  ['bytes=0-3', 'bytes 0-3/10', '0123'],
  ['bytes=4-', 'bytes 4-9/10', '456789'],
  ['bytes=-2', 'bytes 8-9/10', '89'],
  ['bytes=8-999', 'bytes 8-9/10', '89'],
  ['bytes=-999', 'bytes 0-9/10', '0123456789'],
  ['bytes=3-2', undefined, '0123456789'],
  ['bytes=0-1,3-4', undefined, '0123456789'],
])('range %s', async (Range, ContentRange, text) => {
  await put('range', '0123456789');
  const found = await get('range', { Range });
  expect(found.$metadata.httpStatusCode).toBe(ContentRange === undefined ? 200 : 206);
  expect(found.ContentRange).toBe(ContentRange);
  expect(await found.Body?.transformToString()).toBe(text);
});

test.each(['bytes=10-', 'bytes=10-12'])('range %s is behind the end', async (Range) => {
  await put('range', '0123456789');
  expect(await failure(get('range', { Range }))).toBe('416 InvalidRange');
});

describe('conditions', () => {
  const past = new Date(Date.now() - 3600_000);
  const future = new Date(Date.now() + 3600_000);

  test('of a write', async () => {
    const { ETag = '' } = await put('if', 'one', { IfNoneMatch: '*' });
    expect(await failure(put('if', 'two', { IfNoneMatch: '*' }))).toBe('412 PreconditionFailed');
    expect(await failure(put('if', 'two', { IfMatch: '"other"' }))).toBe('412 PreconditionFailed');
    expect(await failure(put('if-missing', 'two', { IfMatch: ETag }))).toBe('404 NoSuchKey');
    expect(await textOf('if')).toBe('one');
    await put('if', 'two', { IfMatch: ETag });
    expect(await failure(put('if', 'three', { IfMatch: ETag }))).toBe('412 PreconditionFailed');
    expect(await textOf('if')).toBe('two');
  });

  test('of many writers with the same ETag exactly one wins', async () => {
    const { ETag = '' } = await put('race', 'start');
    const results = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => put('race', `writer ${i}`, { IfMatch: ETag })));
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(1);
    const created = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => put('race 2', `${i}`, { IfNoneMatch: '*' })));
    expect(created.filter(({ status }) => status === 'fulfilled').length).toBe(1);
  });

  test('of a removal', async () => {
    const { ETag } = await put('del');
    const remove = (IfMatch: string | undefined) => client.send(new DeleteObjectCommand({ Bucket, Key: 'del', IfMatch }));
    expect(await failure(remove('"other"'))).toBe('412 PreconditionFailed');
    await remove(ETag);
    expect(await failure(remove('*'))).toBe('404 NoSuchKey');
  });

  test('of a read', async () => {
    const { ETag } = await put('read-if');
    const status = async (more: Partial<GetObjectCommandInput>) => {
      const asked = { Bucket, Key: 'read-if', ...more };
      const [found, head] = await Promise.all([
        failure(client.send(new GetObjectCommand(asked))),
        failure(client.send(new HeadObjectCommand(asked))),
      ]);
      expect(head.slice(0, 3)).toBe(found.slice(0, 3));
      return found.slice(0, 3);
    };
    const ok = 'it ';
    expect(await status({ IfMatch: ETag })).toBe(ok);
    expect(await status({ IfMatch: '"x"' })).toBe('412');
    expect(await status({ IfNoneMatch: ETag })).toBe('304');
    expect(await status({ IfNoneMatch: '"x"' })).toBe(ok);
    expect(await status({ IfModifiedSince: past })).toBe(ok);
    expect(await status({ IfModifiedSince: future })).toBe('304');
    expect(await status({ IfUnmodifiedSince: past })).toBe('412');
    expect(await status({ IfUnmodifiedSince: past, IfMatch: ETag })).toBe(ok);
    expect(await status({ IfModifiedSince: future, IfNoneMatch: '"x"' })).toBe(ok);
  });
});

describe('bodies', () => {
  const bytes = Buffer.from('x'.repeat(200_000));

  test.each([...Object.values(ChecksumAlgorithm)].filter((name) => !/MD5|XXHASH|SHA512/.test(name)))(
    'with %s in a header, and in the trailer of a stream',
    async (ChecksumAlgorithm) => {
      for (const Body of [bytes, Readable.from([bytes.subarray(0, 70_000), bytes.subarray(70_000)])]) {
        const sum = await put('sum', Body, { ChecksumAlgorithm, ContentLength: bytes.length });
        expect(sum.ETag).toBe(md5(bytes));
        // The SDK checks what it reads against the checksum that comes with it.
        const found = await get('sum', { ChecksumMode: 'ENABLED' });
        expect(await found.Body?.transformToByteArray()).toEqual(new Uint8Array(bytes));
        const key = `Checksum${ChecksumAlgorithm}`;
        expect(Object.entries(found).find(([name]) => name === key)?.[1]).toMatch(/=$/);
        expect(found.ContentEncoding).toBeUndefined();
      }
    },
  );

  test('that are not what their checksum says', async () => {
    expect(await failure(put('bad', 'bytes', { ChecksumCRC32: 'AAAAAA==' }))).toBe('400 BadDigest');
    const other = createHash('sha256').update('other').digest('base64');
    expect(await failure(put('bad', 'bytes', { ChecksumSHA256: other }))).toBe('400 BadDigest');
    expect(await failure(put('bad', 'bytes', { ChecksumSHA256: 'short' }))).toBe('400 InvalidRequest');
    expect(await failure(put('bad', 'bytes', { ContentMD5: 'AAAAAAAAAAAAAAAAAAAAAA==' }))).toBe('400 BadDigest');
    expect(await failure(put('bad', 'bytes', { ContentMD5: 'AAA=' }))).toBe('400 InvalidDigest');
    expect(await failure(get('bad'))).toBe('404 NoSuchKey');
  });
});

describe('keys', () => {
  const keys = [
    '../../x',
    '..',
    '/',
    '//a',
    'a/../b',
    './c',
    'ümläut/猫 🐈',
    'a b+c%2F&=?#"\'<>',
    '%2e%2e/%2e%2e/etc',
    'x'.repeat(1024),
  ];

  test.each(keys)('%j', async (Key) => {
    const files = readdirSync(s3.folder).sort();
    await put(Key, Key);
    expect(await textOf(Key)).toBe(Key);
    const listed = await client.send(new ListObjectsV2Command({ Bucket, Prefix: Key }));
    expect(listed.Contents?.map((content) => content.Key)).toEqual([Key]);
    // Nothing was written but opaque names.
    expect(readdirSync(s3.folder).sort()).toEqual(files);
    expect(filesOnDisk().filter((name) => !/^[0-9a-f]{32}$/.test(name))).toEqual([]);
    const deleted = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key }] } }));
    expect(deleted.Deleted).toEqual([{ Key }]);
    expect(await failure(get(Key))).toBe('404 NoSuchKey');
  });

  test('that are refused', async () => {
    expect(await failure(put('x'.repeat(1025)))).toBe('400 KeyTooLongError');
    expect(await failure(put('ü'.repeat(513)))).toBe('400 KeyTooLongError');
    expect(await failure(put('a\0b'))).toBe('400 InvalidArgument');
  });
});

describe('listing', () => {
  const keys = ['a', 'a/1', 'a/2', 'a/b/3', 'a0', 'b', 'b/', 'c/d/e', 'é', '猫', '\u{1F408}', '\u{FB01}'];
  const list = (more: Partial<ListObjectsV2CommandInput> = {}) =>
    client.send(new ListObjectsV2Command({ Bucket: 'listing', ...more }));
  beforeAll(async () => {
    await client.send(new CreateBucketCommand({ Bucket: 'listing' }));
    await Promise.all(keys.map((Key) => client.send(new PutObjectCommand({ Bucket: 'listing', Key, Body: Key }))));
  });

  test('is in the order of UTF-8', async () => {
    const { Contents = [], KeyCount, IsTruncated } = await list();
    const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(Contents.map(({ Key }) => Key)).toEqual(sorted);
    expect(Contents[0]).toMatchObject({ Size: 1, ETag: md5('a'), StorageClass: 'STANDARD' });
    expect([KeyCount, IsTruncated]).toEqual([keys.length, false]);
  });

  test.each<[Partial<ListObjectsV2CommandInput>, string[], string[]]>([
    [{ Prefix: 'a/' }, ['a/1', 'a/2', 'a/b/3'], []],
    [{ Prefix: 'a/', Delimiter: '/' }, ['a/1', 'a/2'], ['a/b/']],
    [{ Delimiter: '/' }, ['a', 'a0', 'b', 'é', '猫', '\u{FB01}', '\u{1F408}'], ['a/', 'b/', 'c/']],
    [{ StartAfter: 'a/1', Prefix: 'a' }, ['a/2', 'a/b/3', 'a0'], []],
    [{ StartAfter: 'a/1', Prefix: 'a', Delimiter: '/' }, ['a0'], ['a/']],
    [{ StartAfter: '猫' }, ['\u{FB01}', '\u{1F408}'], []],
    [{ Prefix: 'none' }, [], []],
    [{ MaxKeys: 0 }, [], []],
    [{ Prefix: 'a/', EncodingType: 'url' }, ['a/1', 'a/2', 'a/b/3'], []],
  ])('%j', async (asked, contents, prefixes) => {
    const { Contents = [], CommonPrefixes = [] } = await list(asked);
    expect(Contents.map(({ Key }) => Key)).toEqual(contents);
    expect(CommonPrefixes.map(({ Prefix }) => Prefix)).toEqual(prefixes);
  });

  test.each([1, 2, 3, 5])('in pages of %i, each key and prefix comes once', async (MaxKeys) => {
    const found: (string | undefined)[] = [];
    let ContinuationToken: string | undefined;
    do {
      const page = await list({ Delimiter: '/', MaxKeys, ContinuationToken });
      const names = [...(page.Contents ?? []).map(({ Key }) => Key), ...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix)];
      expect(names.length).toBeLessThanOrEqual(MaxKeys);
      expect(page.KeyCount).toBe(names.length);
      found.push(...names);
      ContinuationToken = page.NextContinuationToken;
      expect(page.IsTruncated).toBe(ContinuationToken !== undefined);
    } while (ContinuationToken !== undefined);
    expect(found.sort()).toEqual(['a', 'a/', 'a0', 'b', 'b/', 'c/', 'é', '猫', '\u{1F408}', '\u{FB01}'].sort());
  });

  test('many objects are removed at once, some with conditions', async () => {
    const Objects = [{ Key: 'a' }, { Key: 'b', ETag: '"other"' }, { Key: 'a0', ETag: md5('a0') }, { Key: 'never was' }];
    const result = await client.send(new DeleteObjectsCommand({ Bucket: 'listing', Delete: { Objects } }));
    expect(result.Deleted?.map(({ Key }) => Key)).toEqual(['a', 'a0', 'never was']);
    expect(result.Errors).toMatchObject([{ Key: 'b', Code: 'PreconditionFailed' }]);
    const quiet = await client.send(
      new DeleteObjectsCommand({ Bucket: 'listing', Delete: { Objects: [{ Key: 'b' }], Quiet: true } }),
    );
    expect([quiet.Deleted, quiet.Errors]).toEqual([undefined, undefined]);
    expect((await list({ Prefix: 'a' })).Contents?.map(({ Key }) => Key)).toEqual(['a/1', 'a/2', 'a/b/3']);
  });
});
