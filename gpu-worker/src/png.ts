import { crc32 } from 'node:zlib';

/** A text in a PNG file. */
export interface PngText {
  /** 1…79 Latin-1 characters. */
  keyword: string;
  text: string;
  /** Default: tEXt, which is Latin-1 and known to every reader, where the text is; else iTXt, which is UTF-8. */
  chunk?: 'iTXt';
}

const signatureBytes = 8;
/** Length, type, 13 bytes of sizes and kinds, checksum: it always comes first. */
const headerBytes = 4 + 4 + 13 + 4;

/** A PNG file with texts put behind its header (PNG, third edition, 11.3.3). */
export function withTexts(png: Uint8Array, texts: readonly PngText[]): Uint8Array<ArrayBuffer> {
  const head = signatureBytes + headerBytes;
  return new Uint8Array(Buffer.concat([png.subarray(0, head), ...texts.map(chunkOf), png.subarray(head)]));
}

function chunkOf({ keyword, text, chunk: type }: PngText): Uint8Array {
  // Neither kind may have zeros in its text, nor tEXt any other control character than line feeds.
  const clean = text.replaceAll('\0', '');
  if (type === undefined && /^[\n\x20-\x7e\xa0-\xff]*$/.test(clean))
    return chunk('tEXt', Buffer.from(`${keyword}\0${clean}`, 'latin1'));
  // Not compressed, by no method, in no language, the keyword not translated
  return chunk('iTXt', Buffer.concat([Buffer.from(`${keyword}\0\0\0\0\0`, 'latin1'), Buffer.from(clean)]));
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(12 + data.length);
  bytes.writeUInt32BE(data.length);
  bytes.write(type, 4, 'latin1');
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
}
