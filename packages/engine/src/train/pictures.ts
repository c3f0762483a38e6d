import { type Conditions, framing } from '../families/conditions.ts';
import type { Pipeline } from '../families/pipeline.ts';
import { type Encoded, encodePicture } from '../image.ts';
import { type Picture, resizeCover } from '../pixels.ts';
import type { Example, Training } from './training.ts';

/** Shapes that pictures are sorted into, width to height. */
const ratios = [1, 4 / 3, 3 / 4, 3 / 2, 2 / 3, 16 / 9, 9 / 16, 2, 1 / 2];

/** Width and height in pixels. */
export interface Size {
  width: number;
  height: number;
}

/**
 * The size to which a picture is scaled and cut: a square, or, with `buckets`, of the shapes at hand the one nearest to its own, of
 * about `resolution`² pixels, both sides multiples of `multiple`.
 */
export function sizeFor(picture: Size, resolution: number, multiple: number, buckets: boolean): Size {
  if (!buckets) return { width: resolution, height: resolution };
  const shape = Math.log(picture.width / picture.height);
  const distance = (ratio: number) => Math.abs(Math.log(ratio) - shape);
  const ratio = ratios.reduce((nearest, other) => (distance(other) < distance(nearest) ? other : nearest));
  const side = (length: number) => Math.max(multiple, multiple * Math.round(length / multiple));
  return { width: side(resolution * Math.sqrt(ratio)), height: side(resolution / Math.sqrt(ratio)) };
}

/** An example as the network sees it. */
export interface Prepared {
  /** Of its latents. */
  height: number;
  width: number;
  latents: Encoded;
  /** Of its mirror image, where it may be shown. */
  mirrored?: Encoded;
  frame: Conditions;
  caption: string;
  /** How often an epoch shows it. */
  repeats: number;
  /** What it counts in the loss. */
  weight: number;
}

/** How many pictures are read while one is encoded: of the largest, 50 MB each. */
const readAhead = 2;

/** What each of them reads, in their order, the next ones while one is worked with. */
async function* ahead<T>(reads: readonly (() => Promise<T>)[]): AsyncGenerator<T> {
  const reading: Promise<T>[] = [];
  for (const read of reads) {
    const one = read();
    // It is thrown when it is that one's turn.
    one.catch(() => undefined);
    reading.push(one);
    if (reading.length > readAhead) yield* reading.splice(0, 1);
  }
  yield* reading;
}

/** Scales, cuts and encodes examples, each once; only latents are kept. */
export async function prepare(
  pipeline: Pipeline,
  examples: readonly Example[],
  { resolution = pipeline.resolution, buckets = false, flip = false }: Pick<Training, 'resolution' | 'buckets' | 'flip'>,
  weight: number,
  signal?: AbortSignal,
): Promise<Prepared[]> {
  const prepared: Prepared[] = [];
  const { latentFactor } = pipeline;
  const reads = examples.map((example) => async () => ({ ...example, original: await example.picture() }));
  for await (const { original, caption, repeats = 1 } of ahead(reads)) {
    signal?.throwIfAborted();
    const size = sizeFor(original, resolution, pipeline.multiple, buckets);
    const { width, height } = size;
    const picture = await resizeCover(original, width, height);
    const scale = Math.max(width / original.width, height / original.height);
    const cut = (whole: number, kept: number) => Math.max(0, Math.round((whole * scale - kept) / 2));
    prepared.push({
      height: height / latentFactor,
      width: width / latentFactor,
      latents: await encodePicture(pipeline, picture),
      ...(flip ? { mirrored: await encodePicture(pipeline, mirrorImage(picture)) } : {}),
      frame: framing(pipeline.model, {
        ...size,
        original: { width: original.width, height: original.height },
        crop: { left: cut(original.width, width), top: cut(original.height, height) },
      }),
      caption,
      repeats,
      weight,
    });
  }
  return prepared;
}

/** Left and right exchanged. */
export function mirrorImage({ width, height, data }: Picture): Picture {
  const mirrored = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = 3 * (y * width + x);
      mirrored.set(data.subarray(from, from + 3), 3 * (y * width + width - 1 - x));
    }
  }
  return { width, height, data: mirrored };
}
