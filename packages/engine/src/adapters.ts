import { LRUCache } from 'lru-cache';
import type { AdaptedLayer } from './families/model.ts';
import type { AdaptedProgram } from './families/pipeline.ts';
import type { Numbers } from './graph/compile.ts';
import { packLoras, type WeightedLora } from './lora.ts';

/** The LoRA inputs of a network for a set of LoRAs per place of a batch, as `packLoras` gives them. */
export type Pack = (sets: readonly (readonly WeightedLora[])[]) => Readonly<Record<string, Numbers>>;

/** What a set does to a picture, whatever it is called: equal for equal LoRAs with equal weights in the same order. */
export const setKey = (set: readonly WeightedLora[]): string =>
  set.map(({ lora, weight, textWeight = weight }) => `${lora.digest}×${weight},${textWeight}`).join('+');

/**
 * Packs LoRAs once for as long as their mix is in use: a batch has the same from step to step. Single sets, which come back, are
 * kept up to `keptBytes`; of mixes, which seldom do, the last two, since batches of two sizes may take turns.
 */
export function packer(layers: readonly AdaptedLayer[], keptBytes = 2 ** 28): Pack {
  const single = new LRUCache<string, Record<string, Numbers>>({
    maxSize: keptBytes,
    sizeCalculation: (inputs) => bytesOf(inputs),
  });
  const mixed = new LRUCache<string, Record<string, Numbers>>({ max: 2 });
  return (sets) => {
    const keys = sets.map(setKey);
    // Places that all share one set share one pair of matrices, however many they are.
    const [kept, key] = keys.every((other) => other === keys[0]) ? [single, keys[0] ?? ''] : [mixed, keys.join('|')];
    const found = kept.get(key);
    if (found) return found;
    const packed = packLoras(layers, sets);
    kept.set(key, packed);
    return packed;
  };
}

const packers = new WeakMap<readonly AdaptedLayer[], Pack>();

/** The LoRA inputs of an open network, kept for as long as it is open. */
export function pack({ layers }: Pick<AdaptedProgram<string>, 'layers'>, sets: Parameters<Pack>[0]): ReturnType<Pack> {
  const own = packers.get(layers) ?? packer(layers);
  packers.set(layers, own);
  return own(sets);
}

export const bytesOf = (inputs: Readonly<Record<string, Numbers>>): number =>
  1 + Object.values(inputs).reduce((sum, { data }) => sum + data.byteLength, 0);
