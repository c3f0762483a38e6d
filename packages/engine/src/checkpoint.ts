import type { z } from 'zod';
import { InputError } from './error.ts';
import { readHeader } from './files/safetensors.ts';
import type { Graph } from './graph/graph.ts';
import type { DType } from './graph/node.ts';
import type { Tensor } from './graph/tensor.ts';

const dtypes: Record<string, DType> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16', I64: 'int64' };

/**
 * The weights of a safetensors file as graph tensors by name, in float32, their bytes left in the file.
 * @param named what the graph calls them, where several files meet in one; undefined for those that it does not want
 */
export async function fileWeights(
  graph: Graph,
  file: string,
  named: (name: string) => string | undefined = (name) => name,
): Promise<Map<string, Tensor>> {
  const { tensors, dataOffset } = await readHeader(file);
  const weights = new Map<string, Tensor>();
  for (const [name, { dtype, shape, begin, end }] of tensors) {
    const id = named(name);
    if (id === undefined) continue;
    const type = dtypes[dtype];
    if (!type) throw new InputError('unsupported_dtype', `${file}: ${name} is ${dtype}; F32, F16 or BF16 wanted`);
    const stored = graph.weight(id, shape, type, { file, offset: dataOffset + begin, length: end - begin });
    weights.set(id, type === 'int64' ? stored : stored.cast('float32'));
  }
  return weights;
}

/**
 * Arranges named tensors as the model's own type and checks that none is missing and none is left over.
 * @param model names the file in the error
 * @throws InputError `bad_checkpoint` naming up to five weights
 */
export function arrange<T>(schema: z.ZodType<T>, weights: ReadonlyMap<string, Tensor>, model: string): T {
  const root: Branch = new Map();
  for (const [name, tensor] of weights) {
    const path = name.split('.');
    let branch = root;
    for (const part of path.slice(0, -1)) {
      const next = branch.get(part);
      if (next instanceof Map) branch = next;
      else {
        const made: Branch = new Map();
        branch.set(part, made);
        branch = made;
      }
    }
    branch.set(path.at(-1) ?? name, tensor);
  }
  const parsed = schema.safeParse(plain(root));
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.slice(0, 5).map((issue) => `${issue.path.join('.') || 'top level'}: ${issue.message}`);
  throw new InputError(
    'bad_checkpoint',
    `${model} does not have the weights of the model that its config.json describes: ${issues.join('; ')}`,
  );
}

type Branch = Map<string, Branch | Tensor>;

/** Objects, or arrays where every key is a number. */
function plain(branch: Branch): unknown {
  const entries = [...branch].map(([key, value]): [string, unknown] => [key, value instanceof Map ? plain(value) : value]);
  if (!entries.every(([key]) => /^\d+$/.test(key))) return Object.fromEntries(entries);
  const list: unknown[] = [];
  for (const [key, value] of entries) list[Number(key)] = value;
  return Array.from(list);
}
