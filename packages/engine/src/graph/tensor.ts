import { broadcast, type Dim, isStatic, total } from './dims.ts';
import type { Graph } from './graph.ts';
import { type Attributes, type DType, integersOf, type Op, type Origin } from './node.ts';

/** A value in a graph: its dimensions, its element type and where it comes from. Each method appends ONNX nodes and returns their result. */
export class Tensor {
  readonly graph: Graph;
  readonly name: string;
  readonly dims: readonly Dim[];
  readonly dtype: DType;
  readonly origin: Origin;

  constructor(graph: Graph, name: string, dims: readonly Dim[], dtype: DType, origin: Origin) {
    this.graph = graph;
    this.name = name;
    this.dims = dims;
    this.dtype = dtype;
    this.origin = origin;
  }

  get rank(): number {
    return this.dims.length;
  }

  /** The size of a dimension (negative counts from the end). @throws if it is known only at run time. */
  size(axis: number): number {
    const dim = this.dims.at(axis);
    if (typeof dim !== 'number') throw new Error(`${this.name}: dimension ${axis} of ${this} is known only at run time`);
    return dim;
  }

  /** All sizes. @throws if one is known only at run time: gradients need fixed shapes. */
  get sizes(): readonly number[] {
    if (!isStatic(this.dims)) throw new Error(`${this}: fixed dimensions wanted`);
    return this.dims;
  }

  toString(): string {
    return `${this.name}[${this.dims.map((dim) => dim ?? '?')}]`;
  }

  add = (other: Tensor | number) => this.elementwise('Add', other);
  sub = (other: Tensor | number) => this.elementwise('Sub', other);
  mul = (other: Tensor | number) =>
    typeof other !== 'number' && this.graph.isOnes(other) ? this : this.elementwise('Mul', other);
  div = (other: Tensor | number) => this.elementwise('Div', other);
  neg = () => this.mul(-1);

  abs = () => this.unary('Abs');
  sign = () => this.unary('Sign');
  sqrt = () => this.unary('Sqrt');
  exp = () => this.unary('Exp');
  sin = () => this.unary('Sin');
  cos = () => this.unary('Cos');
  erf = () => this.unary('Erf');
  sigmoid = () => this.unary('Sigmoid');
  softmax = () => this.unary('Softmax', { axis: { int: -1 } });

  cast(dtype: DType): Tensor {
    if (dtype === this.dtype) return this;
    const codes: Record<DType, number> = { float32: 1, int64: 7, float16: 10, bfloat16: 16 };
    return this.graph.node('Cast', [this], this.dims, dtype, { to: { int: codes[dtype] } });
  }

  /** Values below `min` become `min`, those above `max` become `max`. */
  clip = (min: number, max: number) =>
    this.node('Clip', [this.graph.constant([min], []), this.graph.constant([max], [])], this.dims);

  /** Matrix product over the last two dimensions, leading ones broadcast. */
  matmul(other: Tensor): Tensor {
    const [k, k2] = [this.dims.at(-1), other.dims.at(-2)];
    if (k !== k2 && k !== null && k2 !== null) throw new Error(`MatMul: ${this} × ${other}`);
    const leading = broadcast(this.dims.slice(0, -2), other.dims.slice(0, -2), 'MatMul');
    return this.node('MatMul', [other], [...leading, this.dims.at(-2) ?? null, other.dims.at(-1) ?? null]);
  }

  /** softmax(q kᵀ / √width) v for each of `heads` parts of the last dimension, this being q; `[batch, tokens, heads × width]` all. */
  multiHeadAttention(k: Tensor, v: Tensor, heads: number): Tensor {
    return this.node('MultiHeadAttention', [k, v], this.dims, { num_heads: { int: heads } });
  }

  /** `op(this) × op(other)` of two matrices, `op` a transposition where asked for. */
  gemm(other: Tensor, transA: boolean, transB: boolean): Tensor {
    const rows = this.dims[transA ? 1 : 0] ?? null;
    const columns = other.dims[transB ? 0 : 1] ?? null;
    const [k, k2] = [this.dims[transA ? 0 : 1], other.dims[transB ? 1 : 0]];
    if (k !== k2 && k !== null && k2 !== null) throw new Error(`Gemm: ${this}, ${other}`);
    return this.node('Gemm', [other], [rows, columns], { transA: { int: Number(transA) }, transB: { int: Number(transB) } });
  }

  /**
   * Two-dimensional cross-correlation: `[N, C, H, W]` with a weight `[O, C / groups, kh, kw]`.
   * @param pads top, left, bottom, right
   * @param groups into how many parts the channels fall, each of which sees only its own; as many as channels is a depthwise convolution
   */
  conv(weight: Tensor, bias?: Tensor, stride = 1, pads: readonly number[] = [0, 0, 0, 0], groups = 1): Tensor {
    const [kh, kw] = [weight.size(2), weight.size(3)];
    if (this.size(1) !== weight.size(1) * groups) throw new Error(`Conv: ${this} with weight ${weight}`);
    const out = (axis: number, kernel: number, padding: number) => {
      const size = this.dims[axis] ?? null;
      return size === null ? null : Math.floor((size + padding - kernel) / stride) + 1;
    };
    const [top = 0, left = 0, bottom = 0, right = 0] = pads;
    const dims = [this.dims[0] ?? null, weight.dims[0] ?? null, out(2, kh, top + bottom), out(3, kw, left + right)];
    return this.node('Conv', bias ? [weight, bias] : [weight], dims, {
      kernel_shape: { ints: [kh, kw] },
      strides: { ints: [stride, stride] },
      pads: { ints: [top, left, bottom, right] },
      ...(groups === 1 ? {} : { group: { int: groups } }),
    });
  }

  /** The input gradient of {@link conv}: `[N, O, h, w]` with the convolution's weight `[O, C, kh, kw]`, giving `[N, C, ...size]`. */
  convTranspose(weight: Tensor, stride: number, pads: readonly number[], size: readonly [Dim, Dim]): Tensor {
    const kernel = [weight.size(2), weight.size(3)];
    // What the floor of the forward division dropped is zero in the gradient: ONNX calls it output_padding. A size that is known only
    // at run time is a multiple of the stride, as those of pictures in a UNet are.
    const dropped = size.map((wanted, i) => {
      const [small, rest] = [this.dims[2 + i] ?? null, (kernel[i] ?? 0) - (pads[i] ?? 0) - (pads[i + 2] ?? 0)];
      return wanted === null || small === null ? (stride - (rest % stride)) % stride : wanted - ((small - 1) * stride + rest);
    });
    return this.node('ConvTranspose', [weight], [this.dims[0] ?? null, weight.size(1), ...size], {
      kernel_shape: { ints: kernel },
      strides: { ints: [stride, stride] },
      pads: { ints: [...pads] },
      output_padding: { ints: dropped },
    });
  }

  /** ONNX Reshape: 0 keeps a dimension, −1 takes what is left. */
  reshape(shape: readonly number[]): Tensor {
    const known = shape.map((dim, i) => (dim === 0 ? (this.dims[i] ?? null) : dim));
    const rest = known.filter((dim) => dim !== -1);
    const dims = known.map((dim) => {
      if (dim !== -1) return dim;
      return isStatic(this.dims) && isStatic(rest) ? total(this.dims) / total(rest) : null;
    });
    if (isStatic(dims) && isStatic(this.dims) && total(dims) !== total(this.dims))
      throw new Error(`Reshape: ${this} to [${shape}]`);
    if (dims.length === this.rank && isStatic(dims) && dims.every((dim, i) => dim === this.dims[i])) return this;
    return this.node('Reshape', [this.graph.integers(shape)], dims);
  }

  /** The sizes of one axis, or of all, as they are at run time: int64. */
  shape(axis?: number): Tensor {
    const attributes: Attributes = axis === undefined ? {} : { start: { int: axis }, end: { int: axis + 1 } };
    return this.graph.node('Shape', [this], [axis === undefined ? this.rank : 1], 'int64', attributes);
  }

  /** Takes the dimensions of `reference`, which has as many elements; they may be known only at run time. */
  reshapeLike(reference: Tensor): Tensor {
    if (isStatic(reference.dims)) return this.reshape(reference.dims);
    return this.node('Reshape', [reference.shape()], reference.dims);
  }

  transpose(permutation: readonly number[]): Tensor {
    if (permutation.every((axis, i) => axis === i)) return this;
    const { origin } = this;
    if ('node' in origin && origin.node.op === 'Transpose') {
      // A transpose of a transpose is one transpose, or none: the gradient rules build many such pairs.
      const inner = integersOf(origin.node.attributes, 'perm');
      const [source] = origin.node.inputs;
      if (source) return source.transpose(permutation.map((axis) => inner[axis] ?? 0));
    }
    return this.node(
      'Transpose',
      [],
      permutation.map((axis) => this.dims[axis] ?? null),
      { perm: { ints: [...permutation] } },
    );
  }

  /** Swaps the last two dimensions. */
  transposed(): Tensor {
    const axes = this.dims.map((_, i) => i);
    return this.transpose([...axes.slice(0, -2), this.rank - 1, this.rank - 2]);
  }

  /** Joins this and others along `axis`. */
  concat(others: readonly Tensor[], axis: number): Tensor {
    if (others.length === 0) return this;
    const parts: readonly Dim[] = [this, ...others].map((tensor) => tensor.dims[axis] ?? null);
    const dims = this.dims.map((dim, i) =>
      i === axis ? (isStatic(parts) ? parts.reduce<number>((sum, part) => sum + part, 0) : null) : dim,
    );
    return this.node('Concat', [...others], dims, { axis: { int: axis } });
  }

  /** Repeats dimensions of size 1. */
  expand(sizes: readonly number[]): Tensor {
    if (this.rank === sizes.length && sizes.every((size, axis) => size === this.dims[axis])) return this;
    return this.node('Expand', [this.graph.integers(sizes)], sizes);
  }

  /** Repeats dimensions of size 1 to those of `reference`; they may be known only at run time. */
  expandLike(reference: Tensor): Tensor {
    if (isStatic(reference.dims)) return this.expand(reference.dims);
    return this.node('Expand', [reference.shape()], reference.dims);
  }

  /** Elements `start … end` (exclusive; negative counts from the end) of one axis, every `step`-th of them. */
  slice(axis: number, start: number, end = Number.MAX_SAFE_INTEGER, step = 1): Tensor {
    const whole = this.dims[axis] ?? null;
    if (start === 0 && step === 1 && end >= (whole ?? Number.MAX_SAFE_INTEGER)) return this;
    const size = whole === null ? null : Math.ceil(((end < 0 ? whole + end : Math.min(end, whole)) - start) / step);
    return this.sliceWithStep(axis, start, end, step, size);
  }

  /** The axis reversed. */
  reverse(axis: number): Tensor {
    const size = this.size(axis);
    return size === 1 ? this : this.sliceWithStep(axis, size - 1, -size - 1, -1, size);
  }

  private sliceWithStep(axis: number, start: number, end: number, step: number, size: Dim): Tensor {
    const parameters = [[start], [end], [axis], [step]].map((values) => this.graph.integers(values));
    return this.node(
      'Slice',
      parameters,
      this.dims.map((dim, i) => (i === axis ? size : dim)),
    );
  }

  /** Zeros around: `pads` lists how many before each axis, then how many after each. */
  pad(pads: readonly number[]): Tensor {
    if (pads.every((count) => count === 0)) return this;
    const dims = this.dims.map((dim, i) => (dim === null ? null : dim + (pads[i] ?? 0) + (pads[i + this.rank] ?? 0)));
    return this.node('Pad', [this.graph.integers(pads)], dims);
  }

  sum(axes: readonly number[], keepDims: boolean): Tensor {
    return this.reduce('ReduceSum', axes, keepDims);
  }

  mean(axes: readonly number[], keepDims: boolean): Tensor {
    return this.reduce('ReduceMean', axes, keepDims);
  }

  /** Nearest-neighbour enlargement of `[N, C, H, W]` by a whole factor. */
  enlarge(factor: number): Tensor {
    const dims = this.dims.map((dim, i) => (dim !== null && i >= 2 ? dim * factor : dim));
    // The second input, a region of interest, is unused by this mode; ONNX spells an omitted input as an empty tensor here.
    return this.node('Resize', [this.graph.constant([]), this.graph.constant([1, 1, factor, factor])], dims, {
      mode: { string: 'nearest' },
      coordinate_transformation_mode: { string: 'asymmetric' },
      nearest_mode: { string: 'floor' },
    });
  }

  /** Sums of the `[N, C, H, W]` within each square of `factor` × `factor`: the gradient of {@link enlarge}. */
  sumSquares(factor: number): Tensor {
    const dims = this.dims.map((dim, i) => (dim !== null && i >= 2 ? dim / factor : dim));
    const square = { ints: [factor, factor] };
    return this.node('AveragePool', [], dims, { kernel_shape: square, strides: square }).mul(factor ** 2);
  }

  /** Rows of this table `[V, …]` named by int64 `indices`. */
  gather(indices: Tensor): Tensor {
    return this.node('Gather', [indices], [...indices.dims, ...this.dims.slice(1)], { axis: { int: 0 } });
  }

  /** This `[V, D]` with `updates [..., D]` added at the rows that `indices [..., 1]` name; a row may be named often. */
  scatterAdd(indices: Tensor, updates: Tensor): Tensor {
    return this.node('ScatterND', [indices, updates], this.dims, { reduction: { string: 'add' } });
  }

  /** (x − mean) / √(variance + ε) over the last dimension of `[N, G, M]`, for each n and g. */
  instanceNorm(epsilon: number): Tensor {
    // The operator that the gradient needs anyway serves both; onnxruntime computes it once.
    if (isStatic(this.dims) || this.graph.purpose === 'trained') return this.standardize(epsilon)[0];
    const groups = this.size(1);
    const ones = this.graph.constant(new Float32Array(groups).fill(1));
    const zeros = this.graph.constant(new Float32Array(groups));
    return this.node('InstanceNormalization', [ones, zeros], this.dims, { epsilon: { float: epsilon } });
  }

  /** Layer normalization over the last dimension, then scale and shift. */
  layerNorm(scale: Tensor, bias: Tensor, epsilon: number): Tensor {
    return this.node('LayerNormalization', [scale, bias], this.dims, { axis: { int: -1 }, epsilon: { float: epsilon } });
  }

  /** The normalized values without scale and shift, beside 1 / √(variance + ε) `[…, 1]`: what the gradients of both norms need. */
  standardize(epsilon: number): [normalized: Tensor, inverseDeviation: Tensor] {
    const ones = this.graph.onesAlong(this);
    const narrow = this.dims.map((dim, i) => (i === this.rank - 1 ? 1 : dim));
    const outputs = this.graph.nodeWithOutputs('LayerNormalization', [this, ones], [this.dims, narrow, narrow], this.dtype, {
      axis: { int: -1 },
      epsilon: { float: epsilon },
    });
    const inverseDeviation = outputs[2];
    if (!inverseDeviation) throw new Error('LayerNormalization: three outputs wanted');
    return [outputs[0], inverseDeviation];
  }

  private node(op: Op, others: Tensor[], dims: readonly Dim[], attributes?: Attributes): Tensor {
    return this.graph.node(op, [this, ...others], dims, this.dtype, attributes);
  }

  private unary(op: Op, attributes?: Attributes): Tensor {
    return this.node(op, [], this.dims, attributes);
  }

  private elementwise(op: Op, other: Tensor | number): Tensor {
    const right = typeof other === 'number' ? this.graph.constant([other], []) : other;
    return this.node(op, [right], broadcast(this.dims, right.dims, op));
  }

  private reduce(op: Op, axes: readonly number[], keepDims: boolean): Tensor {
    const dims = this.dims.flatMap((dim, i) => (axes.includes(i) ? (keepDims ? [1] : []) : [dim]));
    return this.node(op, [this.graph.integers(axes)], dims, { keepdims: { int: Number(keepDims) } });
  }
}
