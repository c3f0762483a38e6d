import { describe, expect, it } from 'vitest';
import { compile } from './compile.ts';
import { gradient } from './gradient.ts';
import { Graph } from './graph.ts';
import type { Op } from './node.ts';
import { rules } from './rules.ts';
import type { Tensor } from './tensor.ts';

interface Case {
  /** Dimensions of the inputs that are differentiated. */
  inputs: number[][];
  /** Axes of each that the graph does not know before it runs. */
  unknown?: number[][];
  build: (...inputs: Tensor[]) => Tensor;
  /** Values are 0.5 … 1.5 rather than −1 … 1, for roots and quotients. */
  positive?: boolean;
}

const unary = (build: (x: Tensor) => Tensor, positive = false): Case[] => [{ inputs: [[2, 3]], build, positive }];
const binary = (build: (a: Tensor, b: Tensor) => Tensor): Case[] => [
  {
    inputs: [
      [2, 3],
      [2, 3],
    ],
    build,
    positive: true,
  },
  {
    inputs: [
      [2, 4, 3],
      [4, 1],
    ],
    build,
    positive: true,
  },
  { inputs: [[3], [2, 1, 3]], build, positive: true },
];
const conv = (stride: number, pads: number[], x: number[], weight: number[], unknown: number[] = []): Case => ({
  inputs: [x, weight, [weight[0] ?? 0]],
  unknown: [unknown],
  build: (input, w, bias) => input.conv(w, bias, stride, pads),
});

/** A row for every operator; those without a rule are covered through the rules that emit them. */
const cases: Record<Op, Case[]> = {
  Abs: unary((x) => x.abs()),
  Add: [
    ...binary((a, b) => a.add(b)),
    {
      inputs: [
        [2, 4, 3],
        [4, 1],
      ],
      unknown: [[0, 2]],
      build: (a, b) => a.add(b),
    },
  ],
  AveragePool: [],
  Cast: unary((x) => x.cast('float32')),
  // Of −1 … 1 some lie within, some beyond either bound.
  Clip: unary((x) => x.clip(-0.4, 0.3)),
  Concat: [
    {
      inputs: [
        [2, 2, 3],
        [2, 1, 3],
      ],
      build: (a, b) => a.concat([b, a], 1),
    },
  ],
  Conv: [
    conv(1, [1, 1, 1, 1], [2, 3, 5, 4], [4, 3, 3, 3]),
    conv(1, [0, 0, 0, 0], [2, 3, 4, 4], [2, 3, 1, 1]),
    conv(2, [1, 1, 1, 1], [2, 3, 6, 4], [4, 3, 3, 3]),
    conv(2, [0, 0, 1, 1], [2, 3, 6, 4], [2, 3, 3, 3]),
    conv(2, [1, 1, 1, 1], [1, 2, 5, 7], [2, 2, 3, 3]),
    conv(2, [0, 0, 0, 0], [1, 2, 6, 4], [3, 2, 1, 1]),
    conv(1, [1, 1, 1, 1], [2, 3, 5, 4], [4, 3, 3, 3], [0, 2, 3]),
    conv(1, [0, 0, 0, 0], [2, 3, 4, 4], [2, 3, 1, 1], [0, 2, 3]),
    conv(2, [1, 1, 1, 1], [2, 3, 6, 4], [4, 3, 3, 3], [0, 2, 3]),
    conv(2, [0, 0, 1, 1], [2, 3, 6, 4], [2, 3, 3, 3], [2, 3]),
  ],
  ConvTranspose: [],
  Cos: unary((x) => x.cos()),
  Div: binary((a, b) => a.div(b)),
  Erf: unary((x) => x.erf()),
  Exp: unary((x) => x.exp()),
  Expand: [{ inputs: [[2, 1, 3]], build: (x) => x.expand([4, 2, 5, 3]) }],
  Gather: [{ inputs: [[4, 3]], build: (table) => table.gather(table.graph.integers([0, 2, 2, 3, 2, 0], [2, 3])) }],
  Gemm: [],
  // Where gradients are wanted instanceNorm emits LayerNormalization.
  InstanceNormalization: [],
  LayerNormalization: [
    { inputs: [[2, 3, 5]], build: (x) => x.instanceNorm(1e-3) },
    { inputs: [[2, 3, 5]], unknown: [[0, 2]], build: (x) => x.instanceNorm(1e-3) },
    { inputs: [[2, 3, 5], [5], [5]], build: (x, scale, bias) => x.layerNorm(scale, bias, 1e-3) },
  ],
  MatMul: [
    {
      inputs: [
        [3, 2],
        [2, 4],
      ],
      build: (a, b) => a.matmul(b),
    },
    {
      inputs: [
        [2, 3, 2],
        [2, 4],
      ],
      build: (a, b) => a.matmul(b),
    },
    {
      inputs: [
        [2, 3, 2],
        [2, 2, 4],
      ],
      build: (a, b) => a.matmul(b),
    },
    {
      inputs: [
        [2, 3, 3, 2],
        [3, 2, 4],
      ],
      build: (a, b) => a.matmul(b),
    },
    {
      inputs: [
        [2, 3, 2],
        [1, 2, 4],
      ],
      build: (a, b) => a.matmul(b.transposed().transposed()),
    },
    {
      inputs: [
        [2, 3, 2],
        [2, 4],
      ],
      unknown: [[0, 1]],
      build: (a, b) => a.matmul(b),
    },
  ],
  MultiHeadAttention: [],
  Mul: binary((a, b) => a.mul(b)),
  Pad: [{ inputs: [[2, 3]], build: (x) => x.pad([1, 0, 0, 2]) }],
  ReduceMean: [
    { inputs: [[2, 3, 4]], build: (x) => x.mean([0, 2], false) },
    { inputs: [[2, 3, 4]], unknown: [[0, 2]], build: (x) => x.mean([1, 2], false) },
    { inputs: [[2, 3, 4]], unknown: [[0, 2]], build: (x) => x.mean([0, 2], true) },
  ],
  ReduceSum: [
    { inputs: [[2, 3, 4]], build: (x) => x.sum([1], true) },
    { inputs: [[2, 3, 4]], unknown: [[0]], build: (x) => x.sum([2], false) },
  ],
  Reshape: [{ inputs: [[2, 6]], build: (x) => x.reshape([0, 3, -1]) }],
  Resize: [
    { inputs: [[2, 2, 2, 3]], build: (x) => x.enlarge(2) },
    { inputs: [[2, 2, 2, 3]], unknown: [[0, 2, 3]], build: (x) => x.enlarge(2) },
  ],
  ScatterND: [],
  Shape: [],
  Sigmoid: unary((x) => x.sigmoid()),
  Sign: unary((x) => x.sign().add(x)),
  Sin: unary((x) => x.sin()),
  Slice: [
    { inputs: [[4, 5]], build: (x) => x.slice(1, 1, 4) },
    { inputs: [[4, 5]], build: (x) => x.reverse(0) },
  ],
  Softmax: unary((x) => x.softmax()),
  Sqrt: unary((x) => x.sqrt(), true),
  Sub: binary((a, b) => a.sub(b)),
  Transpose: [{ inputs: [[2, 3, 4]], build: (x) => x.transpose([2, 0, 1]) }],
};

/** Small numbers that repeat nothing, so that swapped elements show. */
const values = (count: number, seed: number, positive: boolean) =>
  Float32Array.from({ length: count }, (_, i) => {
    const fraction = (Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43758.5453) % 1;
    return positive ? 1 + fraction / 2 : fraction;
  });

const sum = (numbers: Iterable<number>) => [...numbers].reduce((a, b) => a + b, 0);
const size = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);

describe.each(Object.entries(cases).filter(([, rows]) => rows.length > 0))('the gradient of %s', (_, rows) => {
  it.each(rows)('agrees with finite differences for $inputs, unknown $unknown', async (row) => {
    const { inputs, unknown = [], build, positive = false } = row;
    const fixed = new Graph();
    const { sizes } = build(...inputs.map((dims, i) => fixed.input(`x${i}`, dims)));
    const graph = new Graph('trained');
    const parameters = inputs.map((dims, i) =>
      graph.input(
        `x${i}`,
        dims.map((dim, axis) => (unknown[i]?.includes(axis) ? null : dim)),
      ),
    );
    const output = build(...parameters);
    // Each output counts with a weight of its own: a plain sum would not see elements swapped.
    const weights = graph.constant(values(size(sizes), 7, false), sizes);
    const axes = sizes.map((__, axis) => axis);
    const loss = output.mul(weights).sum(axes, false);
    const gradients = gradient(loss, parameters);
    const program = await compile({ loss, ...Object.fromEntries(gradients.map((g, i) => [`g${i}`, g])) });
    const data = inputs.map((dims, i) => values(size(dims), i, positive));
    const run = () =>
      program.run(Object.fromEntries(data.map((numbers, i) => [`x${i}`, { data: numbers, dims: inputs[i] ?? [] }])));
    const analytic: Record<string, Float32Array | undefined> = await run();
    for (const [i, numbers] of data.entries()) {
      expect(analytic[`g${i}`]?.length).toBe(numbers.length);
      if (!unknown[i]?.length) expect(gradients[i]?.dims).toEqual(inputs[i]);
      // A directional derivative along a random direction, by central differences.
      for (const seed of [11, 12, 13]) {
        const direction = values(numbers.length, seed, false);
        const at = async (step: number) => {
          const kept = Float32Array.from(numbers);
          for (const [j, d] of direction.entries()) numbers[j] = (kept[j] ?? 0) + step * d;
          const { loss } = await run();
          numbers.set(kept);
          return loss[0] ?? Number.NaN;
        };
        const step = 4e-3;
        const numeric = ((await at(step)) - (await at(-step))) / (2 * step);
        const expected = sum([...direction].map((d, j) => d * (analytic[`g${i}`]?.[j] ?? Number.NaN)));
        expect(Math.abs(numeric - expected)).toBeLessThan(5e-3 * (1 + Math.abs(expected)));
      }
    }
    await program.close();
  });
});

it('has a test row for exactly the operators that have a rule', () => {
  const tested = Object.entries(cases).flatMap(([op, rows]) => (rows.length > 0 ? [op] : []));
  const ruled = Object.entries(rules).flatMap(([op, rule]) => (rule ? [op] : []));
  expect(tested.toSorted()).toEqual(ruled.toSorted());
});
