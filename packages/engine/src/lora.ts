import { InputError } from './error.ts';
import type { AdaptedLayer } from './families/model.ts';
import type { Lora } from './files/lora.ts';
import type { Numbers } from './graph/compile.ts';

/** A LoRA and how strongly it counts; 1 is as trained, negative weights push away from it. */
export interface WeightedLora {
  lora: Lora;
  weight: number;
  /** How strongly it counts in the text encoders; as `weight`, unless given. */
  textWeight?: number;
}

const weightIn = (module: string, { weight, textWeight = weight }: WeightedLora) =>
  module.startsWith('unet.') ? weight : textWeight;

/**
 * Checks that every module of a LoRA is a layer of the model with the same sizes.
 * @throws InputError `lora_mismatch` naming the first layer that differs
 */
export function checkFits(layers: readonly AdaptedLayer[], { modules }: Lora): void {
  const byName = new Map(layers.map((layer) => [layer.module, layer]));
  for (const [name, { inFeatures, outFeatures }] of modules) {
    const layer = byName.get(name);
    if (!layer)
      throw new InputError(
        'lora_mismatch',
        `the LoRA adapts ${name}, which the base model does not have: a LoRA made for this base wanted`,
      );
    if (layer.inFeatures === inFeatures && layer.outFeatures === outFeatures) continue;
    const [got, want] = [`${inFeatures} → ${outFeatures}`, `${layer.inFeatures} → ${layer.outFeatures}`];
    throw new InputError(
      'lora_mismatch',
      `the LoRA's ${name} maps ${got} features, the base model's ${want}: a LoRA made for this base wanted`,
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
  for (const { module, inFeatures, outFeatures } of layers) {
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
      inputs[`${module}.down`] = { data: half.down, dims: [1, rank, inFeatures] };
      inputs[`${module}.up`] = { data: scale === 1 ? half.up : scaled(half.up, scale), dims: [1, outFeatures, rank] };
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
    inputs[`${module}.down`] = { data: down, dims: [distinct.length, rank, inFeatures] };
    inputs[`${module}.up`] = { data: up, dims: [distinct.length, outFeatures, rank] };
  }
  return inputs;
}

function scaled(values: Float32Array, scale: number): Float32Array {
  const product = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) product[i] = scale * (values[i] ?? 0);
  return product;
}
