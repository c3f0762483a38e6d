import sharp, { type Sharp } from 'sharp';
import { InputError } from './error.ts';

/** A picture in memory: sRGB, `data` is `[height, width, 3]`. */
export interface Picture {
  width: number;
  height: number;
  data: Uint8Array;
}

/** Most pixels of an uploaded picture: 4096 × 4096. */
const maxPixels = 4096 ** 2;

/** Shortest side of an uploaded picture, in pixels. */
const minSide = 16;

// Each of libvips' loaders reads some format that strangers can choose; these three are the ones we mean to read.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: ['VipsForeignLoadJpegBuffer', 'VipsForeignLoadPngBuffer', 'VipsForeignLoadWebpBuffer'] });

/** How files of these formats begin, in hexadecimal. */
const magics: [RegExp, string][] = [
  [/^ffd8ff/, 'JPEG'],
  [/^89504e470d0a1a0a/, 'PNG'],
  [/^52494646.{8}57454250/, 'WebP'],
];

/**
 * Decodes a JPEG, PNG or WebP picture: turned as its EXIF orientation says, colours in sRGB, transparency on white; of an
 * animation the first picture.
 * @throws InputError `not_a_picture`, `picture_damaged`, `picture_too_large`, `picture_too_small`
 */
export async function decodePicture(bytes: Uint8Array): Promise<Picture> {
  const start = Buffer.from(bytes.subarray(0, 12)).toString('hex');
  const format = magics.find(([magic]) => magic.test(start))?.[1];
  if (!format) throw new InputError('not_a_picture', 'the file is not a picture that can be read; JPEG, PNG or WebP wanted');
  const damaged = (cause: unknown): never => {
    throw new InputError('picture_damaged', `the picture is cut off or damaged; a complete ${format} wanted`, { cause });
  };
  // The header alone costs nothing however large the picture is; decoding is held to the limit once more.
  const { width, height } = await sharp(bytes, { limitInputPixels: false }).metadata().catch(damaged);
  const found = `the picture has ${width} × ${height} pixels`;
  if (width * height > maxPixels)
    throw new InputError('picture_too_large', `${found}; at most ${maxPixels} (4096 × 4096) wanted`);
  if (Math.min(width, height) < minSide)
    throw new InputError('picture_too_small', `${found}; at least ${minSide} each way wanted`);
  const picture = sharp(bytes, { limitInputPixels: maxPixels, failOn: 'error' });
  return rgb(picture.autoOrient().flatten({ background: 'white' }).toColourspace('srgb')).catch(damaged);
}

/** Scales a picture to cover `width` × `height` and cuts off evenly what is beyond. */
export const resizeCover = (picture: Picture, width: number, height: number): Promise<Picture> =>
  picture.width === width && picture.height === height
    ? Promise.resolve(picture)
    : rgb(open(picture).resize(width, height, { fit: 'cover' }));

/**
 * Decodes a mask and scales it as `resizeCover` scales pictures: its brightness, `[height, width]`. What is transparent counts as white.
 * @throws InputError as `decodePicture`
 */
export async function decodeMask(bytes: Uint8Array, width: number, height: number): Promise<Uint8Array> {
  const { data } = await resizeCover(await decodePicture(bytes), width, height);
  return Uint8Array.from({ length: width * height }, (_, i) =>
    Math.round(((data[3 * i] ?? 0) + (data[3 * i + 1] ?? 0) + (data[3 * i + 2] ?? 0)) / 3),
  );
}

export const encodePng = async (picture: Picture): Promise<Uint8Array> => new Uint8Array(await open(picture).png().toBuffer());

const open = ({ width, height, data }: Picture) => sharp(data, { raw: { width, height, channels: 3 } });

async function rgb(picture: Sharp): Promise<Picture> {
  const { data, info } = await picture.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`${info.channels} channels; 3 wanted`);
  return { width: info.width, height: info.height, data };
}
