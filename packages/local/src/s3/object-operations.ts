import {
  answerXml,
  type Call,
  conditionsOf,
  headersToKeep,
  type Operation,
  putObject,
  receivePiece,
  receiveXml,
  uploadOf,
} from './call.ts';
import { checksums } from './checksums.ts';
import { readable } from './conditions.ts';
import { invalidArgument, noSuchKey, notImplemented, S3Error } from './error.ts';
import { requireKey, type StoredObject } from './objects.ts';
import { parseRange } from './range.ts';
import { textOf } from './xml.ts';

/** What a GET's query may say about the answer's headers. */
const overrides = ['cache-control', 'content-disposition', 'content-encoding', 'content-language', 'content-type', 'expires'];
const overriding = overrides.map((name) => `response-${name}`);

export const objectOperations: Operation[] = [
  { method: 'GET', on: 'object', may: overriding, run: get },
  { method: 'HEAD', on: 'object', may: overriding, run: get },
  { method: 'PUT', on: 'object', run: (call) => (call.header('x-amz-copy-source') === undefined ? put(call) : copy(call)) },
  { method: 'DELETE', on: 'object', run: remove },
  { method: 'POST', on: 'object', needs: ['uploads'], run: createUpload },
  { method: 'PUT', on: 'object', needs: ['uploadId', 'partNumber'], run: putPart },
  { method: 'POST', on: 'object', needs: ['uploadId'], run: completeUpload },
  { method: 'DELETE', on: 'object', needs: ['uploadId'], run: abortUpload },
];

function find({ objects }: Call, bucket: string, key: string): StoredObject {
  const object = objects.find(bucket, key);
  if (!object) throw noSuchKey(key);
  return object;
}

async function get(call: Call): Promise<void> {
  const { request, response, files, header, query } = call;
  const object = find(call, call.bucket, call.key);
  const about = {
    etag: `"${object.etag}"`,
    'last-modified': new Date(object.modifiedAt).toUTCString(),
    'accept-ranges': 'bytes',
  };
  if (readable(object, conditionsOf(call)) === 'not modified') {
    response.writeHead(304, about).end();
    return;
  }
  const range = parseRange(header('range'), object.size);
  const { start, end } = range ?? { start: 0, end: object.size };
  const headers: Record<string, string | number> = { ...object.headers, ...about, 'content-length': end - start };
  if (range) headers['content-range'] = `bytes ${start}-${end - 1}/${object.size}`;
  else if (header('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED') Object.assign(headers, sumHeaders(object.sums));
  for (const name of overrides) {
    const value = query.get(`response-${name}`);
    if (value === undefined) continue;
    if (!/^[\t\x20-\x7e]*$/.test(value)) throw invalidArgument(`response-${name}: want printable ASCII`);
    headers[name] = value;
  }
  response.writeHead(range ? 206 : 200, headers);
  if (request.method === 'HEAD') response.end();
  else await files.send(object.pieces, start, end, response);
}

async function put(call: Call): Promise<void> {
  const { name, size, md5, sums } = await receivePiece(call);
  const object = { etag: md5, headers: headersToKeep(call.headerNames, call.header), sums, pieces: [{ name, size }] };
  await putObject(call, call, object, conditionsOf(call));
  call.response.writeHead(200, { etag: `"${md5}"`, ...sumHeaders(sums) }).end();
}

/** The copy shares the original's bytes on the disk: files never change. */
async function copy(call: Call): Promise<void> {
  const { objects, files, header } = call;
  const [, bucket = '', key = ''] = /^\/?([^/]+)\/(.+)$/s.exec(decode(header('x-amz-copy-source') ?? '')) ?? [];
  if (key === '') throw invalidArgument('x-amz-copy-source: want <bucket>/<key>, escaped as in a URL');
  objects.requireBucket(bucket);
  const source = find(call, bucket, key);
  if (readable(source, conditionsOf(call, 'x-amz-copy-source-')) === 'not modified') {
    throw new S3Error(412, 'PreconditionFailed', 'At least one of the pre-conditions on the source did not hold');
  }
  const headers =
    header('x-amz-metadata-directive')?.toUpperCase() === 'REPLACE'
      ? headersToKeep(call.headerNames, call.header)
      : source.headers;
  const pieces = await files.duplicate(source.pieces);
  await putObject(call, call, { etag: source.etag, headers, sums: source.sums, pieces }, conditionsOf(call));
  // Somebody may have removed it again.
  const modified = objects.find(call.bucket, call.key)?.modifiedAt ?? Date.now();
  answerXml(call, 'CopyObjectResult', [
    ['ETag', `"${source.etag}"`],
    ['LastModified', new Date(modified).toISOString()],
  ]);
}

async function remove(call: Call): Promise<void> {
  const { objects, files, bucket, key, response } = call;
  files.discard(await objects.write(() => objects.remove(bucket, key, { ifMatch: call.header('if-match') })));
  response.writeHead(204).end();
}

function createUpload(call: Call): void {
  const { uploads, bucket, key } = call;
  answerXml(call, 'InitiateMultipartUploadResult', [
    ['Bucket', bucket],
    ['Key', key],
    ['UploadId', uploads.create(bucket, key, headersToKeep(call.headerNames, call.header))],
  ]);
}

async function putPart(call: Call): Promise<void> {
  const { uploads, files, query, header, response } = call;
  if (header('x-amz-copy-source') !== undefined) throw notImplemented('UploadPartCopy');
  const number = Number(query.get('partNumber'));
  if (!Number.isInteger(number) || number < 1 || number > 10_000) throw invalidArgument('partNumber: want 1 to 10000');
  uploads.require(uploadOf(call));
  const piece = await receivePiece(call);
  try {
    files.discard(uploads.putPart(uploadOf(call), number, piece));
  } catch (error) {
    // The upload was completed or aborted meanwhile.
    files.discard([piece]);
    throw error;
  }
  response.writeHead(200, { etag: `"${piece.md5}"`, ...sumHeaders(piece.sums) }).end();
}

async function completeUpload(call: Call): Promise<void> {
  const { uploads, files, bucket, key } = call;
  const parts = (await receiveXml(call, 'CompleteMultipartUpload')).children.map((part) => ({
    number: Number(textOf(part, 'PartNumber')),
    etag: (textOf(part, 'ETag') ?? '').trim().replaceAll('"', ''),
  }));
  if (parts.length === 0) throw new S3Error(400, 'MalformedXML', 'CompleteMultipartUpload: want at least one Part');
  const { etag, discarded } = uploads.complete(uploadOf(call), parts, conditionsOf(call));
  files.discard(discarded);
  answerXml(call, 'CompleteMultipartUploadResult', [
    ['Location', `http://${call.request.headers.host}/${bucket}/${encodeURIComponent(key)}`],
    ['Bucket', bucket],
    ['Key', key],
    ['ETag', `"${etag}"`],
  ]);
}

function abortUpload(call: Call): void {
  const { uploads, files, response } = call;
  files.discard(uploads.abort(uploadOf(call)));
  response.writeHead(204).end();
}

function sumHeaders(sums: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.keys(checksums).flatMap((name) => (sums[name] ? [[`x-amz-checksum-${name}`, sums[name]]] : [])),
  );
}

function decode(text: string): string {
  try {
    const key = decodeURIComponent(text);
    requireKey(key);
    return key;
  } catch (error) {
    if (error instanceof URIError) throw invalidArgument('x-amz-copy-source: want it escaped as in a URL');
    throw error;
  }
}
