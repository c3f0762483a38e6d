import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type Checksum, checksums } from './checksums.ts';
import { decodeChunked } from './chunked.ts';
import { invalidArgument, notImplemented, S3Error } from './error.ts';

/** What may stand in `x-amz-content-sha256` in place of the body's digest. */
const unsigned = 'UNSIGNED-PAYLOAD';
const unsignedChunks = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';

/** S3's limit for one request. */
const largestBody = 5 * 1024 ** 3;

type HeaderOf = (name: string) => string | undefined;

/** One promise the request makes about its body. `wanted` is known at once, or when the trailers have come. */
type Promised = { name: string; checksum: Checksum; wanted: () => string | undefined; broken: (name: string) => S3Error };

/** A request's body. `bytes` throws at its end if the body is not what the request said; `sums` is filled by then. */
export type Body = { bytes: AsyncIterable<Uint8Array>; sums: Record<string, string> };

/**
 * Opens the body of a request whose signature is good, to be read to its end.
 * @param header the request's headers, whichever way they came
 * @param payloadHash what the signature says about the body
 * @throws S3Error at once if the headers alone are wrong
 */
export function openBody(request: IncomingMessage, header: HeaderOf, payloadHash: string): Body {
  const chunked = payloadHash === unsignedChunks;
  if (payloadHash.startsWith('STREAMING-') && !chunked) throw notImplemented(`x-amz-content-sha256: ${payloadHash}`);
  const size = sizeOf(header(chunked ? 'x-amz-decoded-content-length' : 'content-length'));
  const trailers = new Map<string, string>();
  const promised = [...digestPromised(payloadHash), ...sumsPromised(header, trailers)];
  const incomplete = (received: number) =>
    new S3Error(400, 'IncompleteBody', `the body has ${received} bytes, not the ${size} that were announced`);

  async function* sized() {
    let received = 0;
    for await (const piece of chunked ? decodeChunked(request, trailers) : request) {
      received += piece.length;
      if (received > size) throw incomplete(received);
      yield piece;
    }
    if (received !== size) throw incomplete(received);
  }
  return checkSums(sized(), promised);
}

/** The same for a file in a form, whose fields are `header`. */
export function openFormFile(bytes: AsyncIterable<Uint8Array>, header: HeaderOf): Body {
  return checkSums(bytes, sumsPromised(header, new Map()));
}

function checkSums(source: AsyncIterable<Uint8Array>, promised: Promised[]): Body {
  const sums: Record<string, string> = {};
  async function* bytes() {
    for await (const piece of source) {
      for (const { checksum } of promised) checksum.update(piece);
      yield piece;
    }
    for (const { name, checksum, wanted, broken } of promised) {
      const found = checksum.digest();
      if (found !== wanted()) throw broken(name);
      if (name in checksums) sums[name] = found;
    }
  }
  return { bytes: bytes(), sums };
}

function sizeOf(length: string | undefined): number {
  if (length === undefined || !/^\d{1,15}$/.test(length)) {
    throw new S3Error(411, 'MissingContentLength', 'want the body’s size in content-length or x-amz-decoded-content-length');
  }
  if (Number(length) > largestBody)
    throw new S3Error(400, 'EntityTooLarge', `${length} bytes; at most ${largestBody} in one request`);
  return Number(length);
}

function digestPromised(payloadHash: string): Promised[] {
  if (payloadHash === unsigned || payloadHash === unsignedChunks) return [];
  if (!/^[0-9a-f]{64}$/.test(payloadHash)) throw invalidArgument('x-amz-content-sha256: want a SHA-256 in hex');
  const broken = () => new S3Error(400, 'XAmzContentSHA256Mismatch', 'the body’s SHA-256 is not the x-amz-content-sha256 given');
  return [{ name: 'content', checksum: hexHash('sha256'), wanted: () => payloadHash, broken }];
}

function md5Promised(given: string | undefined): Promised[] {
  if (given === undefined) return [];
  if (Buffer.from(given, 'base64').length !== 16) throw new S3Error(400, 'InvalidDigest', 'Content-MD5: want 16 bytes in base64');
  const wanted = Buffer.from(given, 'base64').toString('hex');
  return [{ name: 'Content-MD5', checksum: hexHash('md5'), wanted: () => wanted, broken: badDigest }];
}

function sumsPromised(header: HeaderOf, trailers: Map<string, string>): Promised[] {
  const inTrailer = (header('x-amz-trailer') ?? '').toLowerCase().split(',');
  const sums = Object.entries(checksums).flatMap(([name, { size, start }]): Promised[] => {
    const field = `x-amz-checksum-${name}`;
    const given = header(field);
    if (given !== undefined) {
      if (Buffer.from(given, 'base64').length !== size) {
        throw new S3Error(400, 'InvalidRequest', `Value for ${field} header is invalid: want ${size} bytes in base64`);
      }
      return [{ name, checksum: start(), wanted: () => given, broken: badDigest }];
    }
    if (!inTrailer.some((trailer) => trailer.trim() === field)) return [];
    return [{ name, checksum: start(), wanted: () => trailers.get(field), broken: badDigest }];
  });
  return [...md5Promised(header('content-md5')), ...sums];
}

function hexHash(algorithm: string): Checksum {
  const hash = createHash(algorithm);
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex') };
}

function badDigest(name: string): S3Error {
  return new S3Error(400, 'BadDigest', `The ${name.toUpperCase()} you specified did not match the calculated checksum.`);
}
