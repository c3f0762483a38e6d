import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody } from '../loopback.ts';
import { openBody } from './body.ts';
import type { Conditions } from './conditions.ts';
import { S3Error } from './error.ts';
import type { Files, Piece } from './files.ts';
import type { NewObject, Objects } from './objects.ts';
import type { UploadName, Uploads } from './uploads.ts';
import { type Element, readXml, type Written, writeXml } from './xml.ts';

export type Storage = { objects: Objects; uploads: Uploads; files: Files };

/** One request whose signature is good. `key` is empty if it is about the bucket. */
export type Call = Storage & {
  request: IncomingMessage;
  response: ServerResponse;
  bucket: string;
  key: string;
  query: Map<string, string>;
  /** A header, by its name in lower case; of a presigned URL also the x-amz-* parameters, into which the SDK moves headers. */
  header: (name: string) => string | undefined;
  /** The names that `header` knows. */
  headerNames: string[];
  /** What the signature says about the body: see openBody. */
  payloadHash: string;
};

/**
 * What S3 can be asked: a method on a bucket or an object, with query parameters that must be there and others that may.
 * A request with any further parameter asks for something else, e.g. `PUT ?acl`, and must not be taken for this.
 */
export type Operation = {
  method: string;
  on: 'bucket' | 'object';
  needs?: string[];
  may?: string[];
  run: (call: Call) => Promise<void> | void;
};

export function answerXml({ response }: Pick<Call, 'response'>, root: string, children: Written[], status = 200): void {
  response.writeHead(status, { 'content-type': 'application/xml' }).end(writeXml(root, children));
}

/** 10,000 parts, or 1,000 keys, with everything that may stand beside them. */
const largestXml = 8 * 1024 ** 2;

/** The call's body as a document with this root. */
export async function receiveXml(call: Call, root: string): Promise<Element> {
  const text = await readBody(openBody(call.request, call.header, call.payloadHash).bytes, largestXml);
  if (!text) throw new S3Error(400, 'EntityTooLarge', `an XML body may have ${largestXml} bytes`);
  return readXml(text.toString(), root);
}

/** Writes the call's body to a file: the piece, and the checksums that came with it. */
export async function receivePiece(call: Call): Promise<Piece & { md5: string; sums: Record<string, string> }> {
  const { bytes, sums } = openBody(call.request, call.header, call.payloadHash);
  return { ...(await call.files.write(bytes)), sums };
}

/** Stores an object whose pieces are on the disk; they are removed again if the conditions do not hold. */
export async function putObject(
  { objects, files }: Storage,
  name: { bucket: string; key: string },
  object: NewObject,
  conditions: Conditions,
): Promise<void> {
  try {
    files.discard(await objects.write(() => objects.put(name.bucket, name.key, object, conditions)));
  } catch (error) {
    files.discard(object.pieces);
    throw error;
  }
}

export function conditionsOf({ header }: Call, prefix = ''): Conditions {
  return {
    ifMatch: header(`${prefix}if-match`),
    ifNoneMatch: header(`${prefix}if-none-match`),
    ifModifiedSince: header(`${prefix}if-modified-since`),
    ifUnmodifiedSince: header(`${prefix}if-unmodified-since`),
  };
}

export function uploadOf({ bucket, key, query }: Call): UploadName {
  return { bucket, key, uploadId: query.get('uploadId') ?? '' };
}

const keptHeaders = ['cache-control', 'content-disposition', 'content-language', 'content-type', 'expires'];

/**
 * The headers that S3 keeps with an object.
 * @param names of all headers there are; where there may be x-amz-meta-* among them
 */
export function headersToKeep(names: Iterable<string>, header: (name: string) => string | undefined): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of [...keptHeaders, ...names]) {
    const value = keptHeaders.includes(name) || name.startsWith('x-amz-meta-') ? header(name) : undefined;
    if (value !== undefined) kept[name] = value;
  }
  kept['content-type'] ??= 'binary/octet-stream';
  // `aws-chunked` says how the body came here, not how the object is encoded.
  const encodings = (header('content-encoding') ?? '').split(',').map((encoding) => encoding.trim());
  const encoding = encodings.filter((one) => one !== '' && one !== 'aws-chunked').join(', ');
  return encoding === '' ? kept : { ...kept, 'content-encoding': encoding };
}
