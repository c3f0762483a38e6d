import { type Attributes, integersOf, type Op } from './node.ts';
import type { Tensor } from './tensor.ts';

/**
 * The vector-Jacobian product of one operator: from the gradient of its (first) output to those of its inputs, in order.
 * `undefined` says that no gradient flows into that input. Broadcasting is undone by the caller.
 */
export type Rule = (g: Tensor, inputs: readonly Tensor[], output: Tensor, attributes: Attributes) => (Tensor | undefined)[];

/** Each rule is checked against finite differences in `rules.test.ts`; `null` marks operators that nothing trained flows through. */
export const rules: Record<Op, Rule | null> = {
  Abs: (g, [x]) => [g.mul(of(x).sign())],
  Add: (g) => [g, g],
  AveragePool: null,
  Cast: (g, [x]) => [g.cast(of(x).dtype)],
  // Half a gradient at the very bounds, where there is none.
  Clip: (g, [x, min, max]) => [
    g.mul(
      of(x)
        .sub(of(min))
        .sign()
        .add(of(max).sub(of(x)).sign())
        .mul(0.5),
    ),
    undefined,
    undefined,
  ],
  Concat: (g, inputs, _, attributes) => {
    const axis = integerOf(attributes, 'axis');
    let end = 0;
    return inputs.map((input) => {
      const start = end;
      end += input.size(axis);
      return g.slice(axis, start, end);
    });
  },
  Conv: (g, [x, weight, bias], _, attributes) => {
    if ('group' in attributes) throw new Error('Conv: no gradient of a convolution in groups');
    const [stride = 1] = integersOf(attributes, 'strides');
    const pads = integersOf(attributes, 'pads');
    return [
      convInput(g, of(x), of(weight), stride, pads),
      convWeight(g, of(x), of(weight), stride, pads),
      bias && g.sum([0, 2, 3], false),
    ];
  },
  ConvTranspose: null,
  Cos: (g, [x]) => [g.mul(of(x).sin()).neg()],
  Div: (g, [, b], quotient) => [g.div(of(b)), g.mul(quotient).div(of(b)).neg()],
  Erf: (g, [x]) => [g.mul(of(x).mul(of(x)).neg().exp()).mul(2 / Math.sqrt(Math.PI))],
  Exp: (g, _, output) => [g.mul(output)],
  // The caller sums over what was repeated, as it does for every operator that broadcasts.
  Expand: (g) => [g, undefined],
  Gather: (g, [table, indices]) => {
    const zeros = of(table).graph.constant([0]).expand(of(table).sizes);
    return [zeros.scatterAdd(of(indices).reshape([...of(indices).sizes, 1]), g), undefined];
  },
  Gemm: null,
  // Only with dimensions known at run time, where nothing is trained.
  InstanceNormalization: null,
  LayerNormalization: (g, [x, scale], _, attributes) => {
    const leading = of(x)
      .dims.slice(0, -1)
      .map((_, axis) => axis);
    const epsilon = floatOf(attributes, 'epsilon');
    const [normalized] = of(x).standardize(epsilon);
    return [standardized(g.mul(of(scale)), of(x), epsilon), g.mul(normalized).sum(leading, false), g.sum(leading, false)];
  },
  MatMul: (g, [a, b]) => {
    const [x, y] = [of(a), of(b)];
    if (y.rank > 2 || x.rank === 2) return [g.matmul(y.transposed()), x.transposed().matmul(g)];
    // Many rows against one matrix: its gradient over [rows, k] is one Gemm rather than a batch of products and a sum.
    return [g.matmul(y.transposed()), x.reshape([-1, x.size(-1)]).gemm(g.reshape([-1, g.size(-1)]), true, false)];
  },
  Mul: (g, [a, b]) => [g.mul(of(b)), g.mul(of(a))],
  // A fused operator, for graphs that nothing is trained with.
  MultiHeadAttention: null,
  Pad: (g, [x, pads]) => {
    if (!pads) throw new Error('Pad: pads wanted');
    const before = constantIntegers(pads);
    return [
      of(x).sizes.reduce(
        (cut, size, axis) => (cut.size(axis) === size ? cut : cut.slice(axis, before[axis] ?? 0, (before[axis] ?? 0) + size)),
        g,
      ),
    ];
  },
  ReduceMean: (g, [x, axes]) => {
    const reduced = constantIntegers(of(axes));
    return [spread(mean(g, of(x), reduced), of(x), reduced)];
  },
  ReduceSum: (g, [x, axes]) => [spread(g, of(x), constantIntegers(of(axes)))],
  Reshape: (g, [x, shape]) => {
    // A dimension that was kept is kept on the way back, and one may be whatever is left: asking for the sizes is dearer.
    const kept = 'source' in of(shape).origin ? constantIntegers(of(shape)) : [];
    const back = of(x).dims.map((size, axis) => size ?? (kept[axis] === 0 ? 0 : -1));
    return [back.filter((size) => size === -1).length <= 1 ? g.reshape(back) : g.reshapeLike(of(x))];
  },
  Resize: (g, [, , scales]) => {
    const [, , factor = 1] = constantFloats(of(scales));
    return [g.sumSquares(factor)];
  },
  ScatterND: null,
  Shape: null,
  Sigmoid: (g, _, y) => [g.mul(y.sub(y.mul(y)))],
  Sign: () => [undefined],
  Sin: (g, [x]) => [g.mul(of(x).cos())],
  Slice: (g, [x, starts, , axes, steps]) => {
    const [start = 0, axis = 0, step = 1] = [starts, axes, steps].flatMap((values) => constantIntegers(of(values)));
    if (step === -1) return [g.reverse(axis)];
    if (step !== 1) throw new Error(`Slice: steps of ${step} have no gradient`);
    const pads = new Array(of(x).rank * 2).fill(0);
    pads[axis] = start;
    pads[axis + of(x).rank] = of(x).size(axis) - start - g.size(axis);
    return [g.pad(pads)];
  },
  Softmax: (g, _, y) => {
    const weighted = g.mul(y);
    return [weighted.sub(y.mul(weighted.sum([y.rank - 1], true)))];
  },
  Sqrt: (g, _, root) => [g.div(root.mul(2))],
  Sub: (g) => [g, g.neg()],
  Transpose: (g, _, __, attributes) => {
    const permutation = integersOf(attributes, 'perm');
    return [g.transpose(permutation.map((_, axis) => permutation.indexOf(axis)))];
  },
};

/** Through (x − mean) / deviation over the last dimension, from the normalized values x̂: (g − mean(g) − x̂ mean(g x̂)) / deviation. */
function standardized(g: Tensor, x: Tensor, epsilon: number): Tensor {
  const [normalized, inverseDeviation] = x.standardize(epsilon);
  const last = [x.rank - 1];
  const alongNormalized = normalized.mul(g.mul(normalized).mean(last, true));
  return g.sub(g.mean(last, true)).sub(alongNormalized).mul(inverseDeviation);
}

function convInput(g: Tensor, x: Tensor, weight: Tensor, stride: number, pads: readonly number[]): Tensor {
  const [kh, kw] = [weight.size(2), weight.size(3)];
  if (stride !== 1) return g.convTranspose(weight, stride, pads, [x.dims[2] ?? null, x.dims[3] ?? null]);
  // At stride 1 the gradient is a plain convolution with the weight transposed and turned by 180°, which runs far faster than ConvTranspose.
  const [o, c] = [weight.size(0), weight.size(1)];
  const turned = weight
    .transpose([1, 0, 2, 3])
    .reshape([c, o, kh * kw])
    .reverse(2)
    .reshape([c, o, kh, kw]);
  const [top = 0, left = 0, bottom = 0, right = 0] = pads;
  return g.conv(turned, undefined, 1, [kh - 1 - top, kw - 1 - left, kh - 1 - bottom, kw - 1 - right]);
}

/**
 * One Gemm over all kernel positions. Gradient and input share one flat layout of padded rows, in which what a kernel position
 * sees is the input shifted by a constant. The vertical part of the shift is made on the gradient and the horizontal on the
 * input, so that kh copies of the one, `[kh·O, L]`, times kw of the other, `[kw·C, L]`ᵀ, hold every position.
 */
function convWeight(g: Tensor, x: Tensor, weight: Tensor, stride: number, pads: readonly number[]): Tensor {
  const [o, c, kh, kw] = [weight.size(0), weight.size(1), weight.size(2), weight.size(3)];
  const [top = 0, left = 0, bottom = 0, right = 0] = pads;
  if (stride === 1) return flatWeight(g, x.pad([0, 0, top, left, 0, 0, bottom, right]), kh, kw);
  // A strided convolution is the sum of plain ones over the input's phases, each with every stride-th position of the kernel.
  const [tall, wide] = [Math.ceil(kh / stride), Math.ceil(kw / stride)];
  const high = fit(x, 2, top, unseen(x, g, 2, stride, tall, kh, top + bottom) - top);
  const padded = fit(high, 3, left, unseen(x, g, 3, stride, wide, kw, left + right) - left);
  const range = (count: number) => Array.from({ length: count }, (_, i) => i);
  const rows = range(stride).map((y) => {
    const phases = range(stride).map((x) => {
      const phase = padded.slice(2, y, undefined, stride).slice(3, x, undefined, stride);
      return flatWeight(g, phase, tall, wide).reshape([o, c, tall, 1, wide, 1]);
    });
    return of(phases[0]).concat(phases.slice(1), 5);
  });
  return of(rows[0])
    .concat(rows.slice(1), 3)
    .reshape([o, c, tall * stride, wide * stride])
    .slice(2, 0, kh)
    .slice(3, 0, kw);
}

/**
 * By how much an axis must grow for its phases to have `positions − 1` rows more than the gradient. A size that is known only at
 * run time is a multiple of the stride, as in {@link Tensor.convTranspose}.
 */
function unseen(x: Tensor, g: Tensor, axis: number, stride: number, positions: number, kernel: number, padding: number): number {
  const [size, out] = [x.dims[axis] ?? null, g.dims[axis] ?? null];
  if (size === null || out === null) return stride * (Math.floor((padding - kernel) / stride) + positions);
  return stride * (out + positions - 1) - size;
}

/** The weight gradient at stride 1, of an input already padded to `[N, C, h + kh − 1, w + kw − 1]`. */
function flatWeight(g: Tensor, padded: Tensor, kh: number, kw: number): Tensor {
  const [o, c] = [g.size(1), padded.size(1)];
  const flat = (tensor: Tensor) => tensor.transpose([1, 0, 2, 3]).reshape([tensor.size(1), -1]);
  const from = (tensor: Tensor, x: number) => tensor.slice(1, x, x < kw - 1 ? x - (kw - 1) : undefined);
  // Sliding down by y rows is padding with y rows above instead of below; the wrap from one picture to the next meets zeros only.
  const gradients = Array.from({ length: kh }, (_, y) => from(flat(g.pad([0, 0, y, 0, 0, 0, kh - 1 - y, kw - 1])), 0));
  const inputs = Array.from({ length: kw }, (_, x) => from(flat(padded), x));
  const stack = ([first, ...rest]: Tensor[]) => of(first).concat(rest, 0);
  const product = stack(gradients).gemm(stack(inputs), false, true);
  return product.reshape([kh, o, kw, c]).transpose([1, 3, 0, 2]);
}

/** One axis with `before` zeros in front and `after` behind; as many are cut off there if that is negative: no output sees them. */
function fit(x: Tensor, axis: number, before: number, after: number): Tensor {
  const kept = after < 0 ? x.slice(axis, 0, after) : x;
  const pads = new Array<number>(x.rank * 2).fill(0);
  pads[axis] = before;
  pads[axis + x.rank] = Math.max(0, after);
  return kept.pad(pads);
}

/** The gradient of a sum: the same for every element that was added. */
function spread(g: Tensor, x: Tensor, axes: readonly number[]): Tensor {
  // One dimension may be known only at run time, unless none was dropped.
  const kept = x.dims.map((size, axis) => (axes.includes(axis) ? 1 : (size ?? -1)));
  return (g.rank === x.rank ? g : g.reshape(kept)).expandLike(x);
}

/** g over the number of elements along `axes` of x. */
function mean(g: Tensor, x: Tensor, axes: readonly number[]): Tensor {
  const known = product(axes.map((axis) => x.dims[axis] ?? 1));
  return axes.reduce(
    (quotient, axis) => (x.dims[axis] === null ? quotient.div(x.shape(axis).cast(g.dtype)) : quotient),
    g.mul(1 / known),
  );
}

const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);

function of(tensor: Tensor | undefined): Tensor {
  if (!tensor) throw new Error('gradient rule: an input is missing');
  return tensor;
}

function integerOf(attributes: Attributes, name: string): number {
  const attribute = attributes[name];
  if (!attribute || !('int' in attribute)) throw new Error(`attribute ${name}: an integer wanted`);
  return attribute.int;
}

function floatOf(attributes: Attributes, name: string): number {
  const attribute = attributes[name];
  if (!attribute || !('float' in attribute)) throw new Error(`attribute ${name}: a float wanted`);
  return attribute.float;
}

function constantBytes({ origin, name }: Tensor): Uint8Array {
  if (!('source' in origin) || !('bytes' in origin.source)) throw new Error(`${name}: a constant wanted`);
  return origin.source.bytes;
}

function constantIntegers(tensor: Tensor): number[] {
  const { buffer, byteOffset, byteLength } = constantBytes(tensor);
  return Array.from(new BigInt64Array(buffer, byteOffset, byteLength / 8), Number);
}

function constantFloats(tensor: Tensor): number[] {
  const { buffer, byteOffset, byteLength } = constantBytes(tensor);
  return Array.from(new Float32Array(buffer, byteOffset, byteLength / 4));
}
