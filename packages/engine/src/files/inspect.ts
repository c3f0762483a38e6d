import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { InputError } from '../error.ts';
import { type Base, baseOfMetadata, baseOfModules, bases } from './bases.ts';
import type { LoraFormat } from './format.ts';
import type { LoraModule } from './lora.ts';
import { isUsual } from './modules.ts';
import { modulesOf, parseKeys } from './read.ts';
import { readTensors } from './safetensors.ts';

/** What a file that is said to be a LoRA holds. */
export interface LoraReport {
  sizeBytes: number;
  /** SHA-256 of the file, in hexadecimal. */
  digest: string;
  /** Whose names its tensors have; a file may mix them. */
  formats: LoraFormat['name'][];
  /** The family of models that it was made for, told by its layers or else by its metadata. */
  base: Base | undefined;
  /** What the metadata says, if it says another. */
  claimedBase?: Base;
  /** The layers that can be applied. */
  modules: ({ name: string } & Omit<LoraModule, 'down' | 'up'>)[];
  /** How many layers of its base it adapts, of those that trainers adapt unless told otherwise, and of convolutions and time embeddings. */
  coverage: Record<'unet' | 'text' | 'further', { adapted: number; of: number | undefined }>;
  unknownKeys: string[];
  /** Tensors with NaN or infinity. */
  notFinite: string[];
  /** The kind of adapter that it is, if it is one that we cannot apply, and the tensor that shows it. */
  unsupported?: { kind: string; words: string; key: string };
  /** Why it cannot be used; empty if it can. */
  problems: InputError[];
  metadata: Readonly<Record<string, string>>;
}

/**
 * Describes a LoRA file as far as it can be read, also where `readLora` would refuse it, and says why it would.
 * @throws InputError `bad_safetensors`, `unsupported_dtype`
 */
export async function inspectLora(path: string): Promise<LoraReport> {
  const hash = createHash('sha256');
  const { metadata, tensors } = await readTensors(path, undefined, (bytes) => hash.update(bytes));
  const { keys, formats, unknown, unsupported, problems } = parseKeys(tensors.keys());
  const read = modulesOf(keys, tensors, metadata);
  const [told, claimed] = [baseOfModules(read.modules), baseOfMetadata(metadata)];
  const base = told ?? claimed;
  const layers = base && bases[base].layers;
  const count = (which: (module: string) => boolean, of: number | undefined) => ({
    adapted: [...read.modules.keys()].filter(which).length,
    of,
  });
  return {
    sizeBytes: (await stat(path)).size,
    digest: hash.digest('hex'),
    formats,
    base,
    ...(told && claimed && told !== claimed ? { claimedBase: claimed } : {}),
    modules: [...read.modules].map(([name, { down: _, up: __, ...sizes }]) => ({ name, ...sizes })),
    coverage: {
      unet: count((module) => module.startsWith('unet.') && isUsual(module), layers?.unet),
      text: count((module) => module.startsWith('text_'), layers?.text),
      further: count((module) => module.startsWith('unet.') && !isUsual(module), layers?.further),
    },
    unknownKeys: unknown,
    notFinite: [...tensors].filter(([, { finite }]) => !finite).map(([name]) => name),
    ...(unsupported ? { unsupported } : {}),
    problems: [...problems, ...read.problems],
    metadata,
  };
}
