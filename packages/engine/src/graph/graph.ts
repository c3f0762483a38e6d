import { type Dim, total } from './dims.ts';
import type { Attributes, DType, Node, Op, Source } from './node.ts';
import { Tensor } from './tensor.ts';

/** A graph under construction: an append-only list of nodes, so that creation order is a topological order. */
export class Graph {
  /**
   * @param purpose `fused`: layers may use onnxruntime's own operators for what several of ONNX's would do: faster, but without
   *   gradients; `trained`: they prefer what the gradient needs anyway
   */
  constructor(purpose: 'plain' | 'fused' | 'trained' = 'plain') {
    this.purpose = purpose;
  }

  readonly purpose: 'plain' | 'fused' | 'trained';
  readonly nodes: Node[] = [];
  readonly inputs: Tensor[] = [];
  private count = 0;
  private readonly vectorsOfOnes = new Map<number, Tensor>();
  private readonly allOnes = new Set<Tensor>();
  private precise = false;
  private part: number | undefined;
  private parts = 0;

  /** What `build` makes is computed in float32 where the rest is float16. */
  precisely<T>(build: () => T, precise = true): T {
    const before = this.precise;
    this.precise = precise;
    try {
      return build();
    } finally {
      this.precise = before;
    }
  }

  /** What `build` makes is one part of a network: a gradient that saves memory keeps what goes into it, and computes the rest anew. */
  segment<T>(build: () => T): T {
    this.part = this.parts++;
    try {
      return build();
    } finally {
      this.part = undefined;
    }
  }

  /** A value fed at run time. */
  input(name: string, dims: readonly Dim[], dtype: DType = 'float32'): Tensor {
    const tensor = new Tensor(this, name, dims, dtype, { input: true });
    this.inputs.push(tensor);
    return tensor;
  }

  /** A weight whose bytes lie elsewhere. */
  weight(name: string, dims: readonly number[], dtype: DType, source: Source): Tensor {
    return new Tensor(this, name, dims, dtype, { source });
  }

  /** A float32 constant. */
  constant(values: ArrayLike<number>, dims: readonly number[] = [values.length]): Tensor {
    const data = Float32Array.from(values);
    if (data.length !== total(dims)) throw new Error(`constant: ${data.length} values for dimensions [${dims}]`);
    return new Tensor(this, this.name('c'), dims, 'float32', { source: { bytes: new Uint8Array(data.buffer) } });
  }

  /** A vector of ones as long as the last dimension of `x`, so marked that products with it cancel. */
  onesAlong(x: Tensor): Tensor {
    const size = x.dims.at(-1) ?? null;
    const found = size === null ? undefined : this.vectorsOfOnes.get(size);
    if (found) return found;
    const ones =
      size === null
        ? this.node('Expand', [this.constant([1]), x.shape(x.rank - 1)], [null], 'float32')
        : this.constant(new Float32Array(size).fill(1));
    if (size !== null) this.vectorsOfOnes.set(size, ones);
    this.allOnes.add(ones);
    return ones;
  }

  isOnes(tensor: Tensor): boolean {
    return this.allOnes.has(tensor);
  }

  /** An int64 constant, for shapes, axes and indices. */
  integers(values: readonly number[], dims: readonly number[] = [values.length]): Tensor {
    const data = BigInt64Array.from(values, BigInt);
    return new Tensor(this, this.name('i'), dims, 'int64', { source: { bytes: new Uint8Array(data.buffer) } });
  }

  node(op: Op, inputs: Tensor[], dims: readonly Dim[], dtype: DType, attributes: Attributes = {}): Tensor {
    return this.nodeWithOutputs(op, inputs, [dims], dtype, attributes)[0];
  }

  nodeWithOutputs(
    op: Op,
    inputs: Tensor[],
    shapes: readonly (readonly Dim[])[],
    dtype: DType,
    attributes: Attributes,
  ): [Tensor, ...Tensor[]] {
    const node: Node = { op, inputs, outputs: [], attributes, precise: this.precise, segment: this.part };
    this.nodes.push(node);
    const [first, ...rest] = shapes.map((dims) => new Tensor(this, this.name(op), dims, dtype, { node }));
    if (!first) throw new Error(`${op}: a node needs an output`);
    node.outputs = [first, ...rest];
    return [first, ...rest];
  }

  private name(prefix: string): string {
    return `${prefix}_${this.count++}`;
  }
}
