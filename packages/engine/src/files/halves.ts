import type { Base } from '@loraloom/lora-files';
import { InputError } from '../error.ts';
import type { Lora, LoraDType, LoraModule, WriteOptions } from './lora.ts';
import type { TensorToStore } from './safetensors.ts';

/** A layer's halves as files store them. */
export interface Halves {
  down: TensorToStore;
  up: TensorToStore;
  rank: number;
  alpha: number;
}

/**
 * The halves of all layers, ready to be stored.
 * @throws InputError `not_finite` if a number does not fit into the type
 */
export function halvesOf(lora: Lora, base: Base, { dtype = lora.dtype ?? 'F16', alpha = 'folded' }: WriteOptions) {
  const layers = [...lora.modules].map(([name, module]): [string, Halves] => {
    const { rank, inFeatures, outFeatures, down } = module;
    const fold = alpha === 'folded' && module.alpha !== rank;
    const up = fold ? module.up.map((value) => (value * module.alpha) / rank) : module.up;
    for (const values of [down, up]) checkFits(name, values, dtype);
    const kernel = kernelOf(name, module, base);
    return [
      name,
      {
        down: { dtype, shape: [rank, inFeatures, ...kernel], data: down },
        up: { dtype, shape: [outFeatures, rank, ...kernel.map(() => 1)], data: up },
        rank,
        alpha: alpha === 'folded' ? rank : module.alpha,
      },
    ];
  });
  return { layers: new Map(layers), dtype };
}

/** Readers tell Stable Diffusion's versions apart by these two, which are 1×1 convolutions in the first. */
const kernelOf = (name: string, { kernel }: LoraModule, base: Base): readonly number[] =>
  kernel ?? (base === 'sd1' && /\.proj_(?:in|out)$/.test(name) ? [1, 1] : []);

function checkFits(name: string, values: Float32Array, dtype: LoraDType): void {
  // 65520 is the least number that float16 rounds to infinity; comparing this way catches NaN as well.
  const limit = dtype === 'F16' ? 65520 : Number.MAX_VALUE;
  if (!values.every((value) => Math.abs(value) < limit)) {
    throw new InputError(
      'not_finite',
      `${name} holds a number that ${dtype} cannot: the training diverged; a lower learning rate wanted`,
    );
  }
}
