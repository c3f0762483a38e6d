import { expect, test } from 'vitest';
import { decodeChunked } from './chunked.ts';
import { S3Error } from './error.ts';

/** Decodes a body that arrives in pieces of `size` bytes. */
async function decode(text: string, size: number) {
  const bytes = Buffer.from(text, 'latin1');
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const trailers = new Map<string, string>();
  const decoded: Uint8Array[] = [];
  for await (const piece of decodeChunked(pieces(), trailers)) decoded.push(piece);
  return { text: Buffer.concat(decoded).toString('latin1'), trailers: Object.fromEntries(trailers) };
}

const sizes = [1, 2, 3, 5, 7, 11, 1000];

test.each<[string, string, string, Record<string, string>]>([
  ['two chunks', '5\r\nhello\r\n6;x=y\r\n\r\nworl\r\n0\r\n\r\n', 'hello\r\nworl', {}],
  ['sixteen bytes', '10\r\n0123456789abcdef\r\n0\r\n\r\n', '0123456789abcdef', {}],
  ['nothing', '0\r\n\r\n', '', {}],
  ['a trailer', '1\r\nx\r\n0\r\nX-Amz-Checksum-CRC32: abc=\r\nb:\r\n\r\n', 'x', { 'x-amz-checksum-crc32': 'abc=', b: '' }],
  ['no empty line at the end', '1\r\nx\r\n0\r\na:b\r\n', 'x', { a: 'b' }],
])('%s, however the body is cut', async (_, body, text, trailers) => {
  for (const size of sizes) expect(await decode(body, size)).toEqual({ text, trailers });
});

test.each([
  ['nothing at all', ''],
  ['no last chunk', '5\r\nhello\r\n'],
  ['a chunk cut short', '5\r\nhel'],
  ['a chunk that is longer than it says', '4\r\nhello\r\n0\r\n\r\n'],
  ['a chunk that is shorter than it says', '6\r\nhello\r\n0\r\n\r\n'],
  ['no size', 'hello\r\n'],
  ['a negative size', '-1\r\nx\r\n0\r\n\r\n'],
  ['a huge size', 'fffffffffffff\r\nx'],
  ['line feeds alone', '1\nx\n0\n\n'],
  ['a line without an end', 'a'.repeat(20_000)],
  ['bytes behind the end', '0\r\n\r\nx'],
  ['a trailer without a colon', '0\r\nx\r\n\r\n'],
  ['endless trailers', `0\r\n${Array.from({ length: 100 }, (_, i) => `a${i}:b\r\n`).join('')}\r\n`],
  ['a cut trailer', '0\r\na:'],
])('refused: %s', async (_, body) => {
  for (const size of sizes) await expect(decode(body, size)).rejects.toThrow(S3Error);
});
