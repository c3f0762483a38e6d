import { createHash } from 'node:crypto';
import sharp, { type Sharp } from 'sharp';
import { expect, test } from 'vitest';
import { lookOf } from './look.ts';
import { headBytes, readPictureHeader, tailBytes } from './picture-header.ts';

// Encoded by libvips, whose sizes these are.
const noise = (width: number, height: number, channels: 3 | 4 = 3) =>
  sharp(
    Buffer.from(Array.from({ length: width * height * channels }, (_, i) => createHash('sha1').update(`${i}`).digest()[0] ?? 0)),
    { raw: { width, height, channels } },
  );

const read = (bytes: Uint8Array) =>
  readPictureHeader(bytes.subarray(0, headBytes), bytes.subarray(Math.max(0, bytes.length - tailBytes)), bytes.length);

const kinds: [string, 'PNG' | 'JPEG' | 'WebP', () => Promise<Buffer>][] = [
  ['PNG', 'PNG', () => noise(97, 33).png().toBuffer()],
  ['interlaced PNG', 'PNG', () => noise(97, 33).png({ progressive: true }).toBuffer()],
  ['JPEG', 'JPEG', () => noise(97, 33).jpeg().toBuffer()],
  ['progressive JPEG', 'JPEG', () => noise(97, 33).jpeg({ progressive: true }).toBuffer()],
  [
    'JPEG with EXIF',
    'JPEG',
    () =>
      noise(97, 33)
        .withExif({ IFD0: { ImageDescription: 'x'.repeat(30_000) } })
        .jpeg()
        .toBuffer(),
  ],
  ['lossy WebP', 'WebP', () => noise(97, 33).webp().toBuffer()],
  ['lossless WebP', 'WebP', () => noise(97, 33).webp({ lossless: true }).toBuffer()],
  ['WebP with transparency', 'WebP', () => noise(97, 33, 4).webp().toBuffer()],
];

test.each(kinds)('%s: size, and whether its end is there', async (_, format, encode) => {
  const bytes = await encode();
  expect(read(bytes)).toEqual({ format, width: 97, height: 33, complete: true });
  // Anywhere from a byte missing to half of it.
  for (const kept of [bytes.length - 1, bytes.length - 13, Math.floor(bytes.length / 2)].map((end) => bytes.subarray(0, end)))
    expect(read(kept), `${kept.length} of ${bytes.length}`).toMatchObject({ format, complete: false });
  expect(read(bytes.subarray(0, bytes.length - 9))).toMatchObject({ width: 97, height: 33 });
  // Notes behind the end are no fault.
  const noted = format === 'WebP' ? bytes : Buffer.concat([bytes, Buffer.from('a camera’s notes')]);
  expect(read(noted)).toMatchObject({ complete: true });
});

test('what is no picture is told from one whose size lies further on', async () => {
  for (const text of ['', '\x89PN', 'RIFF....WAVEfmt ', 'GIF89a', '<svg/>', 'x'.repeat(100)])
    expect(read(Buffer.from(text))).toBeNull();
  const far = await noise(97, 33)
    .withExif({ IFD0: { ImageDescription: 'x'.repeat(60_000) } })
    .jpeg()
    .toBuffer();
  expect(readPictureHeader(far.subarray(0, 1000), far.subarray(-100), far.length)).toBeUndefined();
  expect(readPictureHeader(far.subarray(0, 20), far.subarray(-100), far.length)).toBeUndefined();
});

const look = async (picture: Sharp) => {
  const { data, info } = await picture.raw().toBuffer({ resolveWithObject: true });
  return lookOf({ width: info.width, height: info.height, data });
};
const bits = (a: bigint, b: bigint) => (a ^ b).toString(2).replaceAll('0', '').length;

test('a picture looks alike after other compression and another size, and unlike others', async () => {
  // Brightness falls from left to right in every row but the last two.
  const steps = Buffer.from(
    Array.from({ length: 9 * 8 }, (_, i) => (i < 54 ? 250 - 25 * (i % 9) : 20 * (i % 9))).flatMap((v) => [v, v, v]),
  );
  const drawn = sharp(steps, { raw: { width: 9, height: 8, channels: 3 } });
  expect(await look(drawn)).toBe(0xffffffffffff0000n);
  const blurred = (seed: number) =>
    noise(12 + seed, 12)
      .resize(256, 256, { kernel: 'cubic' })
      .png()
      .toBuffer();
  const [one, other] = [await blurred(0), await blurred(1)];
  const own = await look(sharp(one));
  expect(bits(own, await look(sharp(await sharp(one).jpeg({ quality: 50 }).toBuffer())))).toBeLessThanOrEqual(5);
  expect(bits(own, await look(sharp(one).resize(131, 131)))).toBeLessThanOrEqual(5);
  expect(bits(own, await look(sharp(other)))).toBeGreaterThan(15);
});
