import type { Pipeline } from './families/pipeline.ts';
import type { Picture } from './pixels.ts';

/** A picture to start from instead of noise. */
export interface StartImage {
  /** Of the size that is asked for. */
  picture: Picture;
  /** In 0 … 1: how much of the picture is given to noise before it is made anew; 1 leaves nothing of it. */
  strength: number;
  /** What is to be made anew, `[height, width]`: 255; the rest, 0, is kept; between them the two are mixed. Without it all of it. */
  mask?: Uint8Array;
}

/** A picture's latents, unscaled, as the autoencoder gives them, before they are drawn from: `[4, h, w]` each. */
export interface Encoded {
  mean: Float32Array;
  deviation: Float32Array;
}

export async function encodePicture({ programs }: Pipeline, { width, height, data }: Picture): Promise<Encoded> {
  const planes = new Float32Array(3 * width * height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) planes[c * width * height + i] = (data[3 * i + c] ?? 0) / 127.5 - 1;
  }
  const encoder = await programs.encoder();
  const { mean, logVariance } = await encoder.run({ pictures: { data: planes, dims: [1, 3, height, width] } });
  // Clamped as diffusers clamps it.
  return { mean, deviation: logVariance.map((value) => Math.exp(0.5 * Math.min(20, Math.max(-30, value)))) };
}

/** Which latents are made anew, `[h, w]`: 1 wherever any of their pixels is, even in part; the others are 0. */
export function latentMask(mask: Uint8Array, width: number, height: number, factor: number): Float32Array {
  const columns = width / factor;
  const latents = new Float32Array((columns * height) / factor);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (mask[y * width + x]) latents[Math.floor(y / factor) * columns + Math.floor(x / factor)] = 1;
    }
  }
  return latents;
}

/** Latents `[4, h, w]` where `mask` `[h, w]` is 1, others where it is 0. */
export const choose = (mask: Float32Array, chosen: Float32Array, others: Float32Array): Float32Array =>
  chosen.map((value, i) => (mask[i % mask.length] ? value : (others[i] ?? Number.NaN)));

/** What was to be kept put back over what was made, pixel for pixel: latents hold no picture exactly. */
export function keepUnmasked(made: Picture, { picture, mask }: StartImage): Picture {
  if (!mask) return made;
  const data = made.data.map((value, i) => {
    const share = (mask[Math.floor(i / 3)] ?? 0) / 255;
    return Math.round(share * value + (1 - share) * (picture.data[i] ?? 0));
  });
  return { ...made, data };
}
