import { InputError } from './error.ts';
import type { AdaptedLayer } from './families/model.ts';
import type { Lora, LoraModule } from './files/lora.ts';
import type { Numbers } from './graph/compile.ts';

/** A LoRA and how strongly it counts; 1 is as trained, negative weights push away from it. */
export interface WeightedLora {
  lora: Lora;
  weight: number;
  /** How strongly it counts in the text encoders; as `weight`, unless given. */
  textWeight?: number;
}

const unit = [1, 1] as const;

const weightIn = (module: string, { weight, textWeight = weight }: WeightedLora) =>
  module.startsWith('unet.') ? weight : textWeight;

/**
 * Checks that every module of a LoRA is a layer of the model with the same sizes.
 * @throws InputError `lora_mismatch` naming the first layer that differs
 */
export function checkFits(layers: readonly AdaptedLayer[], { modules }: Lora): void {
  const byName = new Map(layers.map((layer) => [layer.module, layer]));
  for (const [name, { inFeatures, outFeatures, kernel = unit }] of modules) {
    const layer = byName.get(name);
    if (!layer)
      throw new InputError(
        'lora_mismatch',
        `the LoRA adapts ${name}, which the base model does not have: a LoRA made for this base wanted`,
      );
    const sizes = (from: number, to: number, [height, width]: readonly [number, number]) =>
      `${from} → ${to} features${height * width === 1 ? '' : `, ${height} × ${width}`}`;
    const got = sizes(inFeatures, outFeatures, kernel);
    const want = sizes(layer.inFeatures, layer.outFeatures, layer.kernel ?? unit);
    if (got === want) continue;
    throw new InputError(
      'lora_mismatch',
      `the LoRA's ${name} maps ${got}, the base model's ${want}: a LoRA made for this base wanted`,
    );
  }
}

/**
 * The inputs that adapt a network, a set of LoRAs for each picture: joined along the rank with the weights in `up`, which is
 * exactly the sum of the LoRAs, and padded with zeros to the longest set. Pictures that all share one set share one pair.
 * @param sets one per picture of the batch, in its order
 */
export function packLoras(layers: readonly AdaptedLayer[], sets: readonly (readonly WeightedLora[])[]): Record<string, Numbers> {
  const [first = []] = sets;
  const shared = sets.every(
    (set) =>
      set.length === first.length &&
      set.every(
        ({ lora, weight, textWeight }, i) =>
          lora === first[i]?.lora && weight === first[i]?.weight && textWeight === first[i]?.textWeight,
      ),
  );
  const distinct = shared ? [first] : sets;
  const inputs: Record<string, Numbers> = {};
  for (const layer of layers) {
    const { module, inFeatures, outFeatures } = layer;
    if (layer.kernel) {
      Object.assign(inputs, packConvolution(layer, layer.kernel, distinct));
      continue;
    }
    const parts = distinct.map((set) =>
      set
        .map((one) => ({ weight: weightIn(module, one), half: one.lora.modules.get(module) }))
        .filter(({ half, weight }) => half && weight !== 0),
    );
    // At least one row, of zeros: onnxruntime 1.30's fused product over an empty dimension leaves all but the first picture unwritten.
    const rank = Math.max(1, ...parts.map((set) => set.reduce((sum, { half }) => sum + (half?.rank ?? 0), 0)));
    const [[only, ...others] = [], ...more] = parts;
    if (only?.half && others.length === 0 && more.length === 0) {
      // One LoRA for all: its own numbers, only `up` scaled.
      const { half, weight } = only;
      const scale = (weight * half.alpha) / half.rank;
      inputs[`${module}.down`] = { data: half.down, dims: [1, rank, inFeatures], constant: true };
      inputs[`${module}.up`] = {
        data: scale === 1 ? half.up : scaled(half.up, scale),
        dims: [1, outFeatures, rank],
        constant: true,
      };
      continue;
    }
    const down = new Float32Array(distinct.length * rank * inFeatures);
    const up = new Float32Array(distinct.length * outFeatures * rank);
    for (const [picture, set] of parts.entries()) {
      let row = 0;
      for (const { weight, half } of set) {
        if (!half) continue;
        down.set(half.down, (picture * rank + row) * inFeatures);
        const scale = (weight * half.alpha) / half.rank;
        for (let out = 0; out < outFeatures; out++) {
          for (let r = 0; r < half.rank; r++) {
            up[(picture * outFeatures + out) * rank + row + r] = scale * (half.up[out * half.rank + r] ?? 0);
          }
        }
        row += half.rank;
      }
    }
    inputs[`${module}.down`] = { data: down, dims: [distinct.length, rank, inFeatures], constant: true };
    inputs[`${module}.up`] = { data: up, dims: [distinct.length, outFeatures, rank], constant: true };
  }
  return inputs;
}

/**
 * The inputs of a convolution's layer: `down` of every LoRA in the batch one below the other, computed for every picture, and for
 * each picture an `up` that is zero where a LoRA is not its own. A convolution apart for each picture would cost far more.
 */
function packConvolution(
  { module, inFeatures, outFeatures }: AdaptedLayer,
  kernel: readonly [number, number],
  sets: readonly (readonly WeightedLora[])[],
): Record<string, Numbers> {
  const rows = new Map<LoraModule, number>();
  let rank = 0;
  for (const { lora } of sets.flat()) {
    const half = lora.modules.get(module);
    if (!half || rows.has(half)) continue;
    rows.set(half, rank);
    rank += half.rank;
  }
  // As above, at least one row, of zeros.
  rank = Math.max(1, rank);
  const length = inFeatures * kernel[0] * kernel[1];
  const down = new Float32Array(rank * length);
  for (const [half, row] of rows) down.set(half.down, row * length);
  const up = new Float32Array(sets.length * outFeatures * rank);
  for (const [picture, set] of sets.entries()) {
    for (const one of set) {
      const half = one.lora.modules.get(module);
      if (!half) continue;
      const scale = (weightIn(module, one) * half.alpha) / half.rank;
      const row = rows.get(half) ?? 0;
      for (let out = 0; out < outFeatures; out++) {
        for (let r = 0; r < half.rank; r++) {
          const place = (picture * outFeatures + out) * rank + row + r;
          up[place] = (up[place] ?? 0) + scale * (half.up[out * half.rank + r] ?? 0);
        }
      }
    }
  }
  return {
    [`${module}.down`]: { data: down, dims: [rank, inFeatures, ...kernel], constant: true },
    [`${module}.up`]: { data: up, dims: [sets.length, outFeatures, rank], constant: true },
  };
}

function scaled(values: Float32Array, scale: number): Float32Array {
  const product = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) product[i] = scale * (values[i] ?? 0);
  return product;
}
