import { LRUCache } from 'lru-cache';
import type { AdaptedLayer } from './families/model.ts';
import type { Numbers } from './graph/compile.ts';
import { packLoras, type WeightedLora } from './lora.ts';

/** The LoRA inputs of a network for a set of LoRAs per place of a batch, as `packLoras` gives them. */
export type Pack = (sets: readonly (readonly WeightedLora[])[]) => Readonly<Record<string, Numbers>>;

/** What a set does to a picture, whatever it is called: equal for equal LoRAs with equal weights in the same order. */
export const setKey = (set: readonly WeightedLora[]): string =>
  set.map(({ lora, weight, textWeight = weight }) => `${lora.digest}×${weight},${textWeight}`).join('+');

/**
 * Packs LoRAs once for as long as their mix is in use: a batch has the same from step to step. The least recently used mixes
 * are forgotten beyond `keptBytes`.
 */
export function packer(layers: readonly AdaptedLayer[], keptBytes = 2 ** 30): Pack {
  const kept = new LRUCache<string, Record<string, Numbers>>({
    maxSize: keptBytes,
    sizeCalculation: (inputs) => bytesOf(inputs),
  });
  return (sets) => {
    const keys = sets.map(setKey);
    // Places that all share one set share one pair of matrices, however many they are.
    const key = keys.every((other) => other === keys[0]) ? `all ${keys[0]}` : keys.join('|');
    const found = kept.get(key);
    if (found) return found;
    const packed = packLoras(layers, sets);
    kept.set(key, packed);
    return packed;
  };
}

export const bytesOf = (inputs: Readonly<Record<string, Numbers>>): number =>
  1 + Object.values(inputs).reduce((sum, { data }) => sum + data.byteLength, 0);
