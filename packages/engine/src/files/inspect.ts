import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { type Fit, fitOf, type InputError, type LoraFormat, parseKeys, type Unsupported } from '@loraloom/lora-files';
import type { LoraModule } from './lora.ts';
import { modulesOf } from './read.ts';
import { readTensors } from './safetensors.ts';

/** What a file that is said to be a LoRA holds. */
export interface LoraReport extends Fit {
  sizeBytes: number;
  /** SHA-256 of the file, in hexadecimal. */
  digest: string;
  /** Whose names its tensors have; a file may mix them. */
  formats: LoraFormat['name'][];
  /** The layers that can be applied. */
  modules: ({ name: string } & Omit<LoraModule, 'down' | 'up'>)[];
  unknownKeys: string[];
  /** Tensors with NaN or infinity. */
  notFinite: string[];
  /** The kind of adapter that it is, if it is one that we cannot apply, and the tensor that shows it. */
  unsupported?: Unsupported & { key: string };
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
  return {
    sizeBytes: (await stat(path)).size,
    digest: hash.digest('hex'),
    formats,
    ...fitOf(read.modules, metadata),
    modules: [...read.modules].map(([name, { down: _, up: __, ...sizes }]) => ({ name, ...sizes })),
    unknownKeys: unknown,
    notFinite: [...tensors].filter(([, { finite }]) => !finite).map(([name]) => name),
    ...(unsupported ? { unsupported } : {}),
    problems: [...problems, ...read.problems],
    metadata,
  };
}
