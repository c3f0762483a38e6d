import { createHash } from 'node:crypto';
import type { LoraSizes } from '@loraloom/lora-files';

/** A LoRA's two halves on one layer: the layer's weight gains alpha / rank · up · down. */
export interface LoraModule extends LoraSizes {
  /** `[rank, inFeatures]`, of a convolution `[rank, inFeatures, ...kernel]`, row-major. */
  down: Float32Array<ArrayBuffer>;
  /** `[outFeatures, rank]`, row-major. */
  up: Float32Array<ArrayBuffer>;
  alpha: number;
}

/** How the numbers of LoRA files are stored. */
export type LoraDType = 'F16' | 'BF16' | 'F32';

export interface Lora {
  /** By the layer's name in diffusers behind `unet.`, `text_encoder.` or `text_encoder_2.` (these always with `text_model.`). */
  modules: ReadonlyMap<string, LoraModule>;
  /** The file's own, as it stands there. */
  metadata: Readonly<Record<string, string>>;
  /** The least type that holds all numbers as the file had them; none for a LoRA that comes from no file. */
  dtype?: LoraDType;
  /** SHA-256 in hexadecimal: of the file that it was read from, or of what it does if it came from none. */
  digest: string;
}

export interface WriteOptions {
  /** How numbers are stored: as in the LoRA's own file, or F16. */
  dtype?: LoraDType;
  /**
   * `folded` multiplies alpha / rank into `up`, so that alpha equals the rank of every layer: readers that know only one alpha a
   * file, or none, are right too. `kept` gives the numbers back as they were read, to the bit.
   */
  alpha?: 'folded' | 'kept';
}

/** A LoRA of these modules, which came from no file. */
export function loraFrom(modules: ReadonlyMap<string, LoraModule>, metadata: Readonly<Record<string, string>> = {}): Lora {
  const hash = createHash('sha256');
  for (const [name, { down, up, rank, inFeatures, outFeatures, alpha, kernel = [1, 1] }] of [...modules].sort(([a], [b]) =>
    a < b ? -1 : 1,
  )) {
    hash.update(JSON.stringify([name, rank, inFeatures, outFeatures, alpha / rank, kernel]));
    for (const { buffer, byteOffset, byteLength } of [down, up]) hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return { modules, metadata, digest: hash.digest('hex') };
}
