import { LRUCache } from 'lru-cache';
import { bytesOf, pack, setKey } from './adapters.ts';
import { type Conditions, encodeText } from './families/conditions.ts';
import type { Pipeline } from './families/pipeline.ts';
import type { WeightedLora } from './lora.ts';

/** What the text encoders, adapted by a set of LoRAs, make of a text; null is no text at all. */
export type Encode = (text: string | null, loras: readonly WeightedLora[]) => Promise<Conditions>;

export const textEncoder =
  (pipeline: Pipeline): Encode =>
  async (text, loras) => {
    return encodeText(pipeline, text, pack(await pipeline.programs.text(), [loras]));
  };

/**
 * Encodes each text once per set of LoRAs that adapt the text encoders: a burst over one style shares its negative prompt, and
 * often its prompt. The least recently used are forgotten beyond `keptBytes`; whoever asks meanwhile shares what is under way.
 */
export function keptTexts(pipeline: Pipeline, encode = textEncoder(pipeline), keptBytes = 2 ** 27): Encode {
  const kept = new LRUCache<string, Promise<Conditions>>({ maxSize: keptBytes });
  return async (text, loras) => {
    const { layers } = await pipeline.programs.text();
    const adapting = loras.filter(({ lora }) => layers.some(({ module }) => lora.modules.has(module)));
    const key = `${setKey(adapting)} ${JSON.stringify(text)}`;
    const found = kept.get(key);
    if (found) return found;
    const encoding = encode(text, loras);
    // Their size is known when they are; until then a guess holds their place.
    kept.set(key, encoding, { size: 1 });
    encoding.then(
      (conditions) => kept.set(key, encoding, { size: bytesOf(conditions) }),
      () => kept.delete(key),
    );
    return encoding;
  };
}
