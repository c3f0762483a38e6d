import { copyFile, link, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { InferenceSession, Tensor as Value } from 'onnxruntime-node';
import { Graph } from './graph.ts';
import { inHalf } from './half.ts';
import { toOnnx } from './onnx.ts';
import type { Tensor } from './tensor.ts';

/** Numbers that go into a program or come out of it, row-major. */
export interface Numbers {
  data: Float32Array | BigInt64Array;
  dims: readonly number[];
  /** They never change: a device with memory of its own may keep its copy for as long as this object lives. */
  constant?: boolean;
}

export interface CompileOptions {
  /** Which of onnxruntime's execution providers computes; `cuda` needs a build of onnxruntime that has it. */
  provider?: 'cpu' | 'cuda' | 'webgpu';
  /**
   * What programs compute in; inputs and outputs are float32 in either case. float16 halves memory and, on a GPU, time. Default:
   * float16 with `cuda`, float32 else: CPUs only lose time by it, and WebGPU devices need not have it.
   */
  precision?: 'float32' | 'float16';
  /** `extended` opens large models several times sooner, `all` re-lays out convolutions with constant weights so that they run faster. */
  optimization?: 'extended' | 'all';
}

/** A compiled graph: a function from named inputs to named outputs. */
export interface Program<Output extends string> {
  /** @throws if an input is missing or does not fit */
  run(inputs: Readonly<Record<string, Numbers>>): Promise<Record<Output, Float32Array>>;
  close(): Promise<void>;
}

/** Opens an onnxruntime session on the part of the graph that computes `outputs` (float32). */
export async function compile<Output extends string>(
  outputs: Readonly<Record<Output, Tensor>>,
  { provider = 'cpu', optimization = 'all', precision = 'float32' }: CompileOptions = {},
): Promise<Program<Output>> {
  // onnxruntime opens external data only below the model's own folder, and follows no symbolic link out of it:
  // a folder of hard links puts the model beside weights that stay where they are.
  const links = new Map<string, string>();
  const location = (file: string) => {
    const name = links.get(file) ?? `${links.size}-${basename(file)}`;
    links.set(file, name);
    return name;
  };
  const { model, inputs } = toOnnx(precision === 'float16' ? inHalf(outputs) : outputs, location);
  const options: InferenceSession.SessionOptions = {
    executionProviders: [provider],
    graphOptimizationLevel: optimization,
    // Its operators run one after another, each on one thread per physical core, which is onnxruntime's own count.
    executionMode: 'sequential',
    // The arena keeps what one step needed for the next. Patterns of it are planned for one size, and batches change theirs:
    // without them steps take as long, and the process 8 % less memory.
    enableCpuMemArena: true,
    enableMemPattern: false,
    logSeverityLevel: 3,
  };
  const session = links.size === 0 ? await InferenceSession.create(model, options) : await openBeside(model, links, options);
  const names = inputs.map(({ name }) => name);
  return {
    async run(values) {
      const feeds: Record<string, Value> = {};
      for (const name of names) {
        const value = values[name];
        if (!value) throw new Error(`input ${name} is missing; given: ${Object.keys(values).slice(0, 8)}`);
        feeds[name] = value.constant && provider === 'webgpu' ? await onDevice(value) : toValue(value);
      }
      const results = await session.run(feeds);
      const read = (name: string) => {
        const data = results[name]?.data;
        if (!(data instanceof Float32Array)) throw new Error(`output ${name}: float32 wanted`);
        return data;
      };
      return mapKeys(outputs, read);
    },
    close: () => session.release(),
  };
}

const toValue = ({ data, dims }: Numbers): Value =>
  data instanceof BigInt64Array ? new Value('int64', data, dims) : new Value('float32', data, dims);

const kept = new WeakMap<Numbers, Value>();
const release = new FinalizationRegistry((value: Value) => value.dispose());
const copiers = new Map<number, Promise<InferenceSession>>();

/** Numbers in the memory of the WebGPU device, uploaded once. What a session leaves there, all others may take as their input. */
async function onDevice(numbers: Numbers): Promise<Value> {
  const found = kept.get(numbers);
  if (found) return found;
  const { length: rank } = numbers.dims;
  const copier = copiers.get(rank) ?? openCopier(rank);
  copiers.set(rank, copier);
  const { y } = await (await copier).run({ x: toValue(numbers) });
  if (!y) throw new Error('copying to the device gave nothing');
  kept.set(numbers, y);
  release.register(numbers, y);
  return y;
}

function openCopier(rank: number): Promise<InferenceSession> {
  const graph = new Graph();
  const x = graph.input(
    'x',
    Array.from({ length: rank }, () => null),
  );
  const { model } = toOnnx({ y: x.mul(1) }, () => '');
  return InferenceSession.create(model, { executionProviders: ['webgpu'], preferredOutputLocation: 'gpu-buffer' });
}

/** The same keys, with what `value` gives for each. */
function mapKeys<Key extends string, T>(keys: Readonly<Record<Key, unknown>>, value: (key: Key) => T): Record<Key, T> {
  const entries: [Key, T][] = [];
  for (const key in keys) entries.push([key, value(key)]);
  return fromEntries(entries);
}

function fromEntries<Key extends string, T>(entries: readonly (readonly [Key, T])[]): Record<Key, T> {
  // Object.fromEntries forgets the key's type, though each key of the record is among the entries.
  return Object.fromEntries(entries) as Record<Key, T>;
}

async function openBeside(
  model: Uint8Array,
  links: ReadonlyMap<string, string>,
  options: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  const folder = await linkFolder(links);
  try {
    const path = join(folder, 'model.onnx');
    await writeFile(path, model);
    return await InferenceSession.create(path, options);
  } finally {
    // The mapped weights stay readable after their second name is gone.
    await rm(folder, { recursive: true, force: true });
  }
}

/** A fresh folder holding each file under its given name: linked on the same file system, beside the weights on another, copied if all else fails. */
async function linkFolder(links: ReadonlyMap<string, string>): Promise<string> {
  const [first = tmpdir()] = [...links.keys()].map((file) => dirname(file));
  for (const parent of [tmpdir(), first]) {
    const folder = await mkdtemp(join(parent, '.loraloom-')).catch(() => undefined);
    if (!folder) continue;
    try {
      for (const [file, name] of links) await link(file, join(folder, name));
      return folder;
    } catch {
      await rm(folder, { recursive: true, force: true });
    }
  }
  const folder = await mkdtemp(join(tmpdir(), '.loraloom-'));
  for (const [file, name] of links) await copyFile(file, join(folder, name));
  return folder;
}
