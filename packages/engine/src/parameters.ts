import type { Numbers } from './graph/compile.ts';
import { type CompileOptions, compile } from './graph/compile.ts';
import { gradient } from './graph/gradient.ts';
import type { Graph } from './graph/graph.ts';
import type { Tensor } from './graph/tensor.ts';

/** Trained values, one after the other in one array, so that an optimizer is one loop and a checkpoint one copy. */
export interface Parameters {
  values: Float32Array;
  layout: readonly Slot[];
}

/** Where a named parameter lies within the array. */
export interface Slot {
  name: string;
  dims: readonly number[];
  begin: number;
  end: number;
}

const total = (dims: readonly number[]) => dims.reduce((product, dim) => product * dim, 1);

/** Lays out named parameters and fills each with `initial`. */
export function parameters(
  shapes: Iterable<readonly [name: string, dims: readonly number[]]>,
  initial: (slot: Slot) => ArrayLike<number>,
): Parameters {
  let end = 0;
  const layout = [...shapes].map(([name, dims]) => {
    const begin = end;
    end += total(dims);
    return { name, dims, begin, end };
  });
  const values = new Float32Array(end);
  for (const slot of layout) values.set(initial(slot), slot.begin);
  return { values, layout };
}

/** Each parameter's own part of the array, as inputs of a program: views, not copies. */
export const views = ({ values, layout }: Parameters): Record<string, Numbers> =>
  Object.fromEntries(layout.map(({ name, dims, begin, end }) => [name, { data: values.subarray(begin, end), dims }]));

/** Graph inputs for the parameters, by name. */
export const parameterInputs = (graph: Graph, { layout }: Parameters): Map<string, Tensor> =>
  new Map(layout.map(({ name, dims }) => [name, graph.input(name, dims)]));

/** A loss and its gradients as a function of inputs and parameters. */
export interface Objective {
  /**
   * @param lossScale what the gradients are multiplied by, with float16
   * @returns the mean loss over the batch, and the gradients laid out as the parameters
   */
  evaluate(
    parameters: Parameters,
    inputs: Readonly<Record<string, Numbers>>,
    lossScale?: number,
  ): Promise<{ loss: number; gradients: Float32Array }>;
  close(): Promise<void>;
}

/** Differentiates `loss` by the parameters' graph inputs, and compiles both into one program. */
export async function objective(
  loss: Tensor,
  inputs: ReadonlyMap<string, Tensor>,
  { recompute = false, ...options }: CompileOptions & { recompute?: boolean } = {},
): Promise<Objective> {
  const names = [...inputs.keys()];
  const scaled = options.precision === 'float16';
  const gradients = gradient(loss, [...inputs.values()], {
    recompute,
    ...(scaled ? { scale: loss.graph.input('loss_scale', [1]) } : {}),
  });
  const program = await compile<string>({ loss, ...Object.fromEntries(gradients.map((g, i) => [`d ${names[i]}`, g])) }, options);
  return {
    async evaluate(current, batch, lossScale = 1) {
      const scale = scaled ? { loss_scale: { data: Float32Array.of(lossScale), dims: [1] } } : {};
      const results = await program.run({ ...views(current), ...batch, ...scale });
      const all = new Float32Array(current.values.length);
      for (const { name, begin } of current.layout) {
        const g = results[`d ${name}`];
        if (!g) throw new Error(`no gradient for ${name}`);
        all.set(g, begin);
      }
      return { loss: results.loss?.[0] ?? Number.NaN, gradients: all };
    },
    close: () => program.close(),
  };
}
