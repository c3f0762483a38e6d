import { diffusers } from './diffusers.ts';
import type { DType } from './dtype.ts';
import { InputError } from './error.ts';
import type { LoraFormat, LoraKey, LoraSizes } from './format.ts';
import { kohya } from './kohya.ts';
import { isUsual } from './modules.ts';
import { type Unsupported, unsupportedKind } from './unsupported.ts';

/** The formats of LoRA files. Which one it is is decided for every tensor by itself. */
const formats: readonly LoraFormat[] = [kohya, diffusers];

const wanted = 'a LoRA for Stable Diffusion 1.x, 2.x or XL in kohya or diffusers format wanted';

export const badLora = (problem: string) => new InputError('bad_lora', `${problem}; ${wanted}`);

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
  if (unknown.length > 0) problems.push(badLora(`unknown keys: ${unknown.slice(0, 10).join(', ')}${more}`));
  if (keys.size === 0 && problems.length === 0) problems.push(badLora('the file has no tensors'));
  return { keys, formats: [...found], unknown, unsupported, problems };
}

/** A stored tensor as far as a header tells; whoever has read its numbers passes more. */
export interface Shaped {
  dtype: DType;
  shape: readonly number[];
}

/** A layer's tensors. `alpha` is its own tensor, or the number that the metadata gives; without either it is the rank. */
export interface Layer<T extends Shaped> extends LoraSizes {
  down: T;
  up: T;
  alpha: T | number | undefined;
}

/**
 * The layers that tensors with these names make up, and what is wrong with the others.
 * @param check throws an InputError at a tensor that may not be used
 */
export function layersOf<T extends Shaped>(
  keys: ReadonlyMap<string, LoraKey>,
  tensors: ReadonlyMap<string, T>,
  metadata: Readonly<Record<string, string>>,
  check: (key: string, tensor: T) => void = () => undefined,
): { layers: Map<string, Layer<T>>; problems: InputError[] } {
  const problems: InputError[] = [];
  const tried = <R>(work: () => R): R | undefined => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      problems.push(error);
      return undefined;
    }
  };
  const parts = new Map<string, Parts<T>>();
  for (const [key, tensor] of tensors) {
    const { module, part } = keys.get(key) ?? {};
    if (!module || !part) continue;
    const halves = parts.get(module) ?? {};
    tried(() => {
      if (halves[part]) throw badLora(`${module} has two tensors that are its ${part}; the second is ${key}`);
      if (!['F16', 'BF16', 'F32', 'F64'].includes(tensor.dtype))
        throw badLora(`${key} is ${tensor.dtype}; F16, BF16 or F32 wanted`);
      check(key, tensor);
    });
    parts.set(module, { ...halves, [part]: tensor });
  }
  const alphas = formats.flatMap((format) => tried(() => format.alphas?.(metadata)) ?? []);
  const layers = new Map<string, Layer<T>>();
  for (const [name, halves] of parts) {
    const layer = tried(() => layerOf(name, halves, alphas));
    if (layer) layers.set(name, layer);
  }
  return { layers, problems };
}

type Parts<T> = Partial<Record<LoraKey['part'], T>>;

function layerOf<T extends Shaped>(
  name: string,
  { down, up, alpha }: Parts<T>,
  alphas: readonly ((module: string, rank: number) => number | undefined)[],
): Layer<T> {
  if (!down || !up) throw badLora(`${name} has no ${down ? 'up' : 'down'} half`);
  const [rank, inFeatures, kernel] = matrix(`${name}, down`, down);
  const [outFeatures, upRank, upKernel] = matrix(`${name}, up`, up);
  if (rank !== upRank || rank === 0)
    throw badLora(`${name}: down has rank ${rank}, up has rank ${upRank}; the same rank, 1 or more, wanted`);
  if (isWide(upKernel) || (isWide(kernel) && isUsual(name))) {
    const shape = isWide(upKernel) ? `up is [${up.shape}]` : `down is [${down.shape}]`;
    throw badLora(`${name}: ${shape}, a convolution wider than 1×1, which only the down half of a convolution's LoRA is`);
  }
  if (alpha?.shape.some((size) => size !== 1)) throw badLora(`${name}: alpha is [${alpha.shape}]; one number wanted`);
  const told = alpha ?? alphas.map((alphaOf) => alphaOf(name, rank)).find((value) => value !== undefined);
  const layer = { down, up, alpha: told, rank, inFeatures, outFeatures };
  return kernel ? { ...layer, kernel } : layer;
}

/** The sizes of a half as a matrix, and the kernel's if it is a convolution. */
function matrix(name: string, { shape }: Shaped): [rows: number, columns: number, kernel?: readonly [number, number]] {
  const [rows, columns, height, width, ...more] = shape;
  if (rows === undefined || columns === undefined || (height === undefined) !== (width === undefined) || more.length > 0)
    throw badLora(`${name} is [${shape}]; a matrix or a convolution wanted`);
  return height === undefined || width === undefined ? [rows, columns] : [rows, columns, [height, width]];
}

const isWide = (kernel: readonly number[] | undefined) => kernel?.some((size) => size !== 1) ?? false;
