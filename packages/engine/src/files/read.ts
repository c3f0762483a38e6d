import { createHash } from 'node:crypto';
import { InputError } from '../error.ts';
import { diffusers } from './diffusers.ts';
import type { LoraFormat, LoraKey } from './format.ts';
import type { Header } from './header.ts';
import { kohya } from './kohya.ts';
import type { Lora, LoraDType, LoraModule } from './lora.ts';
import { isUsual } from './modules.ts';
import { readTensors, type StoredTensor } from './safetensors.ts';
import { type Unsupported, unsupportedKind } from './unsupported.ts';

/** The formats of LoRA files. Which one it is is decided for every tensor by itself. */
export const formats: readonly LoraFormat[] = [kohya, diffusers];

const wanted = 'a LoRA for Stable Diffusion 1.x, 2.x or XL in kohya or diffusers format wanted';

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

const bad = (problem: string) => new InputError('bad_lora', `${problem}; ${wanted}`);

/** What a tensor's name means, in whichever format. */
function parseKey(name: string): (LoraKey & { format: LoraFormat['name'] }) | undefined {
  for (const format of formats) {
    const key = format.parseKey(name);
    if (key) return { ...key, format: format.name };
  }
  return undefined;
}

/** What a file's tensors are by their names, and what is wrong with these. */
export function parseKeys(names: Iterable<string>) {
  const keys = new Map<string, LoraKey>();
  const found = new Set<LoraFormat['name']>();
  const unknown: string[] = [];
  const problems: InputError[] = [];
  let unsupported: (Unsupported & { key: string }) | undefined;
  for (const name of names) {
    const kind = unsupportedKind(name);
    if (kind) {
      unsupported ??= { ...kind, key: name };
      continue;
    }
    const key = parseKey(name);
    if (!key) unknown.push(name);
    else {
      keys.set(name, key);
      found.add(key.format);
    }
  }
  if (unsupported) {
    const what = `this is ${unsupported.words} (it has ${unsupported.key}), which is not supported; ${wanted}`;
    problems.push(new InputError('unsupported_lora', what));
  }
  const more = unknown.length > 10 ? ` and ${unknown.length - 10} more` : '';
  if (unknown.length > 0) problems.push(bad(`unknown keys: ${unknown.slice(0, 10).join(', ')}${more}`));
  if (keys.size === 0 && problems.length === 0) problems.push(bad('the file has no tensors'));
  return { keys, formats: [...found], unknown, unsupported, problems };
}

/** The layers that tensors with these names make up, and what is wrong with the others. */
export function modulesOf(
  keys: ReadonlyMap<string, LoraKey>,
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>>,
) {
  const problems: InputError[] = [];
  const tried = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      problems.push(error);
      return undefined;
    }
  };
  const parts = new Map<string, Parts>();
  for (const [key, tensor] of tensors) {
    const { module, part } = keys.get(key) ?? {};
    if (!module || !part) continue;
    const halves = parts.get(module) ?? {};
    tried(() => {
      if (halves[part]) throw bad(`${module} has two tensors that are its ${part}; the second is ${key}`);
      checkNumbers(key, tensor);
    });
    parts.set(module, { ...halves, [part]: tensor });
  }
  const alphas = formats.flatMap((format) => tried(() => format.alphas?.(metadata)) ?? []);
  const modules = new Map<string, LoraModule>();
  for (const [name, halves] of parts) {
    const module = tried(() => moduleOf(name, halves, alphas));
    if (module) modules.set(name, module);
  }
  return { modules, problems };
}

type Parts = Partial<Record<LoraKey['part'], StoredTensor>>;

function moduleOf(
  name: string,
  { down, up, alpha }: Parts,
  alphas: readonly ((module: string, rank: number) => number | undefined)[],
): LoraModule {
  if (!down || !up) throw bad(`${name} has no ${down ? 'up' : 'down'} half`);
  const [rank, inFeatures, kernel] = matrix(`${name}, down`, down);
  const [outFeatures, upRank, upKernel] = matrix(`${name}, up`, up);
  if (rank !== upRank || rank === 0)
    throw bad(`${name}: down has rank ${rank}, up has rank ${upRank}; the same rank, 1 or more, wanted`);
  if (isWide(upKernel) || (isWide(kernel) && isUsual(name))) {
    const shape = isWide(upKernel) ? `up is [${up.shape}]` : `down is [${down.shape}]`;
    throw bad(`${name}: ${shape}, a convolution wider than 1×1, which only the down half of a convolution's LoRA is`);
  }
  // A missing alpha means the rank, and so does 0 (sd-scripts networks/lora.py).
  const given = alpha ? scalar(name, alpha) : alphas.map((alphaOf) => alphaOf(name, rank)).find((value) => value !== undefined);
  const halves = { down: down.data, up: up.data, rank, inFeatures, outFeatures, alpha: given || rank };
  return kernel ? { ...halves, kernel } : halves;
}

/** The sizes of a half as a matrix, and the kernel's if it is a convolution. */
function matrix(name: string, { shape }: StoredTensor): [rows: number, columns: number, kernel?: readonly [number, number]] {
  const [rows, columns, height, width, ...more] = shape;
  if (rows === undefined || columns === undefined || (height === undefined) !== (width === undefined) || more.length > 0)
    throw bad(`${name} is [${shape}]; a matrix or a convolution wanted`);
  return height === undefined || width === undefined ? [rows, columns] : [rows, columns, [height, width]];
}

const isWide = (kernel: readonly number[] | undefined) => kernel?.some((size) => size !== 1) ?? false;

function scalar(name: string, { shape, data }: StoredTensor): number {
  const [value] = data;
  if (value === undefined || data.length !== 1) throw bad(`${name}: alpha is [${shape}]; one number wanted`);
  return value;
}

function checkNumbers(key: string, { dtype, finite }: StoredTensor): void {
  if (!['F16', 'BF16', 'F32', 'F64'].includes(dtype)) throw bad(`${key} is ${dtype}; F16, BF16 or F32 wanted`);
  if (!finite) throw bad(`${key} holds numbers that are not finite`);
}

/** The type that all of these numbers fit into unchanged: neither of the narrow types holds the other's. */
function widest(tensors: readonly StoredTensor[]): LoraDType {
  const [first, ...others] = new Set(tensors.filter(({ shape }) => shape.length > 1).map(({ dtype }) => dtype));
  return others.length === 0 && (first === 'F16' || first === 'BF16') ? first : 'F32';
}
