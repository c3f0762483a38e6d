import { createHash } from 'node:crypto';
import { badLora, type Header, type InputError, type Layer, type LoraKey, layersOf, parseKeys } from '@loraloom/lora-files';
import type { Lora, LoraDType, LoraModule } from './lora.ts';
import { readTensors, type StoredTensor } from './safetensors.ts';

/**
 * Reads a LoRA file. Whatever in it we would not apply is an error, since without it the LoRA would be another.
 * @throws InputError `bad_safetensors`, `unsupported_dtype` (the container), `unsupported_lora` (an adapter of another kind),
 *   `bad_lora` (unknown keys, missing halves, shapes that do not go together, numbers that are not finite)
 */
export async function readLora(path: string): Promise<Lora> {
  const hash = createHash('sha256');
  let keys: ReadonlyMap<string, LoraKey> = new Map();
  // Names first: a large file of something else is refused before it is read.
  const checkNames = ({ tensors: entries }: Header) => {
    const parsed = parseKeys(entries.keys());
    for (const problem of parsed.problems) throw problem;
    keys = parsed.keys;
  };
  const { metadata, tensors } = await readTensors(path, undefined, (bytes) => hash.update(bytes), checkNames);
  const read = modulesOf(keys, tensors, metadata);
  for (const problem of read.problems) throw problem;
  return { modules: read.modules, metadata, dtype: widest([...tensors.values()]), digest: hash.digest('hex') };
}

/** The layers that tensors with these names make up, with their numbers, and what is wrong with the others. */
export function modulesOf(
  keys: ReadonlyMap<string, LoraKey>,
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>>,
): { modules: Map<string, LoraModule>; problems: InputError[] } {
  const { layers, problems } = layersOf(keys, tensors, metadata, checkFinite);
  return { modules: new Map([...layers].map(([name, layer]) => [name, moduleOf(layer)])), problems };
}

function moduleOf({ down, up, alpha, ...sizes }: Layer<StoredTensor>): LoraModule {
  const given = typeof alpha === 'number' ? alpha : alpha?.data[0];
  // A missing alpha means the rank, and so does 0 (sd-scripts networks/lora.py).
  return { ...sizes, down: down.data, up: up.data, alpha: given || sizes.rank };
}

function checkFinite(key: string, { finite }: StoredTensor): void {
  if (!finite) throw badLora(`${key} holds numbers that are not finite`);
}

/** The type that all of these numbers fit into unchanged: neither of the narrow types holds the other's. */
function widest(tensors: readonly StoredTensor[]): LoraDType {
  const [first, ...others] = new Set(tensors.filter(({ shape }) => shape.length > 1).map(({ dtype }) => dtype));
  return others.length === 0 && (first === 'F16' || first === 'BF16') ? first : 'F32';
}
