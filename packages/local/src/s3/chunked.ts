import { S3Error } from './error.ts';

const longestLine = 8 * 1024;

/**
 * Takes S3's own chunked encoding (`aws-chunked`) off a body: chunks of `<hex size>\r\n<bytes>\r\n`, one of size 0, then
 * `name:value\r\n` trailers and an empty line. It lies inside HTTP's own chunked encoding, which Node has taken off.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
 * @param trailers filled when the body has been read to its end; names in lower case
 * @throws S3Error if the body is not so or ends early
 */
export async function* decodeChunked(
  body: AsyncIterable<Buffer>,
  trailers: Map<string, string>,
): AsyncGenerator<Uint8Array, void> {
  /** Bytes of a line whose end has not come yet. */
  let line = '';
  /** Bytes of the chunk still to come; after them its line break. */
  let left = 0;
  let state: 'size' | 'bytes' | 'break' | 'trailer' | 'end' = 'size';

  for await (const piece of body) {
    let at = 0;
    while (at < piece.length) {
      if (state === 'end') throw malformed('bytes behind the last chunk');
      if (state === 'bytes') {
        const taken = piece.subarray(at, at + left);
        at += taken.length;
        left -= taken.length;
        if (left === 0) state = 'break';
        yield taken;
        continue;
      }
      const newline = piece.indexOf(0x0a, at);
      line += piece.toString('latin1', at, newline < 0 ? piece.length : newline);
      if (line.length > longestLine) throw malformed('an endless line');
      if (newline < 0) break;
      at = newline + 1;
      if (!line.endsWith('\r')) throw malformed('a line without \\r\\n');
      const text = line.slice(0, -1);
      line = '';

      if (state === 'break') {
        if (text !== '') throw malformed('a chunk that is longer than it says');
        state = 'size';
      } else if (state === 'size') {
        left = sizeOf(text);
        state = left === 0 ? 'trailer' : 'bytes';
      } else if (text === '') {
        state = 'end';
      } else {
        const colon = text.indexOf(':');
        if (colon < 1 || trailers.size === 16) throw malformed('a trailer that is not name:value');
        trailers.set(text.slice(0, colon).toLowerCase(), text.slice(colon + 1).trim());
      }
    }
  }
  // Some writers leave the last empty line out.
  if (state !== 'end' && !(state === 'trailer' && line === '')) {
    throw new S3Error(400, 'IncompleteBody', 'the aws-chunked body ends before its last chunk');
  }
}

function sizeOf(line: string): number {
  const hex = /^([0-9a-f]{1,12})(?:;|$)/i.exec(line)?.[1];
  if (hex === undefined) throw malformed('a chunk without a size');
  return Number.parseInt(hex, 16);
}

function malformed(what: string): S3Error {
  return new S3Error(400, 'InvalidRequest', `the aws-chunked body has ${what}`);
}
