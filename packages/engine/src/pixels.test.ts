import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodePicture, encodePng, type Picture, resizeCover } from './pixels.ts';
import { randomFrom } from './random.ts';

/** A picture whose pixel at (x, y) is what `colour` says. */
function paint(width: number, height: number, colour: (x: number, y: number) => [number, number, number]): Picture {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) data.set(colour(x, y), (y * width + x) * 3);
  return { width, height, data };
}

const noise = (() => {
  const random = randomFrom(1);
  return paint(40, 24, () => [random.integer(256), random.integer(256), random.integer(256)]);
})();
const raw = ({ width, height, data }: Picture) => sharp(data, { raw: { width, height, channels: 3 } });
const pixel = ({ width, data }: Picture, x: number, y: number) => [
  ...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3),
];

/** A PNG of one colour made by hand, as large as it says. */
function blankPng(width: number, height: number): Uint8Array {
  const chunk = (type: string, data: Uint8Array) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const framed = Buffer.alloc(body.length + 8);
    framed.writeUInt32BE(data.length);
    body.copy(framed, 4);
    framed.writeUInt32BE(crc(body), body.length + 4);
    return framed;
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  // One bit a pixel, grey
  header.writeUInt8(1, 8);
  const pixels = deflateSync(Buffer.alloc((Math.ceil(width / 8) + 1) * height), { level: 9 });
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('IDAT', pixels),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function crc(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return (sum ^ 0xffffffff) >>> 0;
}

describe('decoding', () => {
  it('gives back the pixels of a PNG', async () => {
    const decoded = await decodePicture(await encodePng(noise));
    expect(decoded).toMatchObject({ width: 40, height: 24 });
    expect(Buffer.compare(decoded.data, noise.data)).toBe(0);
  });

  it.each(['jpeg', 'webp'] as const)('reads %s', async (format) => {
    const smooth = paint(32, 16, (x, y) => [x * 8, y * 16, 128]);
    const decoded = await decodePicture(await raw(smooth)[format]({ quality: 95 }).toBuffer());
    expect(decoded).toMatchObject({ width: 32, height: 16 });
    const error = decoded.data.reduce((sum, value, i) => sum + Math.abs(value - (smooth.data[i] ?? 0)), 0) / smooth.data.length;
    expect(error).toBeLessThan(4);
  });

  const red = paint(32, 16, () => [200, 30, 40]);
  it.each<[string, () => Promise<Buffer>, [number, number, number], number]>([
    ['grey', () => sharp(blankPng(32, 16)).png().toBuffer(), [0, 0, 0], 0],
    ['16 bits a channel', () => raw(red).toColourspace('rgb16').png().toBuffer(), [200, 30, 40], 1],
    ['a palette', () => raw(red).png({ palette: true }).toBuffer(), [200, 30, 40], 2],
    ['CMYK', () => raw(red).toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer(), [200, 30, 40], 30],
    ['another colour profile', () => raw(red).withIccProfile('p3').png().toBuffer(), [200, 30, 40], 3],
    [
      'transparent',
      () =>
        sharp({ create: { width: 32, height: 16, channels: 4, background: { r: 200, g: 30, b: 40, alpha: 0 } } })
          .png()
          .toBuffer(),
      [255, 255, 255],
      0,
    ],
    [
      'half transparent',
      () =>
        sharp({ create: { width: 32, height: 16, channels: 4, background: { r: 200, g: 30, b: 40, alpha: 0.5 } } })
          .png()
          .toBuffer(),
      [227, 142, 147],
      2,
    ],
    [
      'grey and transparent',
      () =>
        sharp({ create: { width: 32, height: 16, channels: 4, background: { r: 9, g: 9, b: 9, alpha: 0 } } })
          .toColourspace('b-w')
          .png()
          .toBuffer(),
      [255, 255, 255],
      0,
    ],
  ])('turns %s into RGB on white', async (_, make, wanted, tolerance) => {
    const decoded = await decodePicture(await make());
    expect(decoded).toMatchObject({ width: 32, height: 16 });
    expect(decoded.data).toHaveLength(32 * 16 * 3);
    pixel(decoded, 20, 10).forEach((value, i) => {
      expect(Math.abs(value - (wanted[i] ?? 0))).toBeLessThanOrEqual(tolerance);
    });
  });

  it('turns a picture as its EXIF orientation says', async () => {
    // Black but for a white upper left corner; 6: a quarter turn clockwise is wanted, so the corner goes to the upper right.
    const corner = paint(48, 32, (x, y) => (x < 16 && y < 16 ? [255, 255, 255] : [0, 0, 0]));
    const decoded = await decodePicture(await raw(corner).jpeg({ quality: 100 }).withMetadata({ orientation: 6 }).toBuffer());
    expect(decoded).toMatchObject({ width: 32, height: 48 });
    expect(pixel(decoded, 28, 4).every((value) => value > 240)).toBe(true);
    expect(pixel(decoded, 4, 4).every((value) => value < 15)).toBe(true);
  });
});

describe('refusing', () => {
  const jpeg = () => raw(noise).jpeg().toBuffer();
  const png = () => raw(noise).png().toBuffer();
  const webp = () => raw(noise).webp().toBuffer();
  const cut = async (bytes: Promise<Buffer>, share: number) =>
    (await bytes).subarray(0, Math.floor((await bytes).length * share));

  it.each<[string, string, () => Promise<Uint8Array> | Uint8Array]>([
    ['nothing', 'not_a_picture', () => Buffer.alloc(0)],
    ['text', 'not_a_picture', () => Buffer.from('this is not a picture at all')],
    [
      'SVG',
      'not_a_picture',
      () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><rect width="64" height="64"/></svg>'),
    ],
    [
      'GIF',
      'not_a_picture',
      () => Buffer.from('R0lGODlhEAAQAIAAAP8AAP///yH5BAAAAAAALAAAAAAQABAAAAIOhI+py+0Po5y02ouzPgUAOw==', 'base64'),
    ],
    ['TIFF', 'not_a_picture', () => raw(noise).tiff().toBuffer()],
    ['a PDF', 'not_a_picture', () => Buffer.from('%PDF-1.7\n')],
    ['a JPEG cut off in the middle', 'picture_damaged', () => cut(jpeg(), 0.5)],
    ['a JPEG cut off near the end', 'picture_damaged', () => cut(jpeg(), 0.97)],
    ['a JPEG cut off in its header', 'picture_damaged', () => cut(jpeg(), 0.02)],
    ['a PNG cut off in the middle', 'picture_damaged', () => cut(png(), 0.5)],
    ['a PNG cut off in its header', 'picture_damaged', () => cut(png(), 0.01)],
    ['a WebP cut off in the middle', 'picture_damaged', () => cut(webp(), 0.5)],
    [
      'a PNG that is text behind its first bytes',
      'picture_damaged',
      () => Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.from('hello')]),
    ],
    ['a PNG of 256 megapixels in some 30 KB', 'picture_too_large', () => blankPng(16_000, 16_000)],
    ['one row too many', 'picture_too_large', () => blankPng(4096, 4097)],
    ['a picture 15 pixels high', 'picture_too_small', () => blankPng(64, 15)],
  ])('%s', async (_, code, make) => {
    const bytes = await make();
    expect(bytes.length).toBeLessThan(40_000);
    await expect(decodePicture(bytes)).rejects.toMatchObject({
      name: 'InputError',
      code,
      message: expect.stringMatching(/wanted$/),
    });
  });

  it('nothing at the limits', async () => {
    expect(await decodePicture(blankPng(4096, 4096))).toMatchObject({ width: 4096, height: 4096 });
    expect(await decodePicture(blankPng(16, 16))).toMatchObject({ width: 16, height: 16 });
  });

  it('damage anywhere with an InputError, if it is noticed', async () => {
    const random = randomFrom(2);
    const good = [await jpeg(), await png(), await webp()];
    for (let i = 0; i < 200; i++) {
      const damaged = Uint8Array.from(good[i % 3] ?? []);
      for (let n = random.integer(4); n >= 0; n--) damaged[random.integer(damaged.length)] = random.integer(256);
      const outcome = await decodePicture(damaged).catch((error: unknown) => error);
      if (outcome instanceof Error) expect(outcome).toMatchObject({ name: 'InputError' });
    }
  });
});

describe('resizing to cover', () => {
  // Left third red, middle third green, right third blue
  const stripes = paint(96, 32, (x) => (x < 32 ? [255, 0, 0] : x < 64 ? [0, 255, 0] : [0, 0, 255]));

  it('cuts off evenly what is beyond', async () => {
    const square = await resizeCover(stripes, 16, 16);
    expect(square).toMatchObject({ width: 16, height: 16 });
    expect(square.data).toHaveLength(16 * 16 * 3);
    expect(pixel(square, 8, 8)).toEqual([0, 255, 0]);
    expect(pixel(square, 4, 2)).toEqual([0, 255, 0]);
    expect(pixel(square, 12, 14)).toEqual([0, 255, 0]);
  });

  it('enlarges', async () => {
    const large = await resizeCover(stripes, 192, 64);
    expect([pixel(large, 20, 30), pixel(large, 96, 30), pixel(large, 180, 30)]).toEqual([
      [255, 0, 0],
      [0, 255, 0],
      [0, 0, 255],
    ]);
  });

  it('leaves a picture of the right size as it is', async () => {
    expect(await resizeCover(stripes, 96, 32)).toBe(stripes);
  });
});
