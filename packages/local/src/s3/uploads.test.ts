import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Bucket, failure, testS3 } from './test-s3.ts';

let s3: Awaited<ReturnType<typeof testS3>>;
let client: ReturnType<typeof s3.client>;
beforeAll(async () => {
  s3 = await testS3();
  client = s3.client();
});
afterAll(() => s3.close());

const partSize = 5 * 1024 ** 2;
const parts = ['a', 'b'].map((letter) => Buffer.alloc(partSize, letter)).concat(Buffer.from('the end'));
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest();
const filesOnDisk = () => readdirSync(join(s3.folder, 'objects')).length;

async function create(Key: string): Promise<string> {
  const command = new CreateMultipartUploadCommand({ Bucket, Key, ContentType: 'image/webp', Metadata: { made: 'in parts' } });
  return (await client.send(command)).UploadId ?? '';
}
async function putPart(Key: string, UploadId: string, PartNumber: number, Body: Uint8Array | string) {
  const { ETag } = await client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }));
  return { PartNumber, ETag };
}
async function putParts(Key: string, UploadId: string) {
  return Promise.all(parts.map((part, index) => putPart(Key, UploadId, index + 1, part)));
}
const complete = (Key: string, UploadId: string, Parts: object[], more: Partial<CompleteMultipartUploadCommandInput> = {}) =>
  client.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts }, ...more }));
const get = async (Key: string, Range?: string) => client.send(new GetObjectCommand({ Bucket, Key, Range }));

test('an object in parts is one object, with S3’s ETag, ranges over the seams and the headers of its beginning', async () => {
  const UploadId = await create('parts');
  const done = await putParts('parts', UploadId);
  expect(await failure(get('parts'))).toBe('404 NoSuchKey');
  const { ETag } = await complete('parts', UploadId, done);
  expect(ETag).toBe(`"${md5(Buffer.concat(parts.map(md5))).toString('hex')}-3"`);
  const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'parts' }));
  expect(head).toMatchObject({
    ETag,
    ContentLength: 2 * partSize + 7,
    ContentType: 'image/webp',
    Metadata: { made: 'in parts' },
  });
  const whole = await (await get('parts')).Body?.transformToByteArray();
  expect(Buffer.compare(whole ?? new Uint8Array(), Buffer.concat(parts))).toBe(0);
  const seam = await get('parts', `bytes=${partSize - 2}-${partSize + 1}`);
  expect(await seam.Body?.transformToString()).toBe('aabb');
  expect(await (await get('parts', `bytes=${2 * partSize - 1}-`)).Body?.transformToString()).toBe('bthe end');
  expect(await failure(complete('parts', UploadId, done))).toBe('404 NoSuchUpload');
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'parts' }));
  expect(filesOnDisk()).toBe(0);
});

test('a part may be sent again, and left out', async () => {
  const before = filesOnDisk();
  const UploadId = await create('again');
  await putPart('again', UploadId, 1, 'first try');
  const part = await putPart('again', UploadId, 1, 'second try');
  await putPart('again', UploadId, 2, 'not wanted');
  await complete('again', UploadId, [part]);
  expect(await (await get('again')).Body?.transformToString()).toBe('second try');
  expect(filesOnDisk()).toBe(before + 1);
});

test('wrong lists of parts are refused, and the upload goes on', async () => {
  const UploadId = await create('wrong');
  const [one, two, three] = await putParts('wrong', UploadId);
  if (!one || !two || !three) throw new Error('three parts were sent');
  expect(await failure(complete('wrong', UploadId, [two, one]))).toBe('400 InvalidPartOrder');
  expect(await failure(complete('wrong', UploadId, [one, { ...two, ETag: one.ETag }]))).toBe('400 InvalidPart');
  expect(await failure(complete('wrong', UploadId, [{ ...one, PartNumber: 9 }]))).toBe('400 InvalidPart');
  const small = await putPart('wrong', UploadId, 4, 'four');
  expect(await failure(complete('wrong', UploadId, [three, small]))).toBe('400 EntityTooSmall');
  expect(await failure(complete('wrong', UploadId, []))).toBe('400 MalformedXML');
  expect(await failure(complete('other key', UploadId, [one]))).toBe('404 NoSuchUpload');
  expect(await failure(putPart('wrong', UploadId, 10_001, 'x'))).toBe('400 InvalidArgument');
  expect(await failure(putPart('wrong', 'no upload', 1, 'x'))).toBe('404 NoSuchUpload');
  await complete('wrong', UploadId, [one, two, three]);
});

test('conditions hold for the end of an upload', async () => {
  await client.send(new PutObjectCommand({ Bucket, Key: 'if', Body: 'there' }));
  const UploadId = await create('if');
  const part = await putPart('if', UploadId, 1, 'in parts');
  expect(await failure(complete('if', UploadId, [part], { IfNoneMatch: '*' }))).toBe('412 PreconditionFailed');
  expect(await failure(complete('if', UploadId, [part], { IfMatch: '"other"' }))).toBe('412 PreconditionFailed');
  const { ETag } = await get('if');
  await complete('if', UploadId, [part], { IfMatch: ETag });
  expect(await (await get('if')).Body?.transformToString()).toBe('in parts');
});

test('an aborted upload leaves nothing', async () => {
  const before = filesOnDisk();
  const UploadId = await create('aborted');
  await putPart('aborted', UploadId, 1, 'gone');
  await client.send(new AbortMultipartUploadCommand({ Bucket, Key: 'aborted', UploadId }));
  expect(filesOnDisk()).toBe(before);
  expect(await failure(putPart('aborted', UploadId, 1, 'x'))).toBe('404 NoSuchUpload');
  expect(await failure(get('aborted'))).toBe('404 NoSuchKey');
});
