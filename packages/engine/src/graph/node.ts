import type { Tensor } from './tensor.ts';

/** Element types that a graph may hold. bfloat16 occurs only in weight files, and is cast where it is read. */
export type DType = 'float32' | 'float16' | 'bfloat16' | 'int64';

/** Every ONNX operator the engine emits; each has a row in `rules.ts` (a missing row does not compile). */
export type Op =
  | 'Abs'
  | 'Add'
  | 'AveragePool'
  | 'Cast'
  | 'Clip'
  | 'Concat'
  | 'Conv'
  | 'ConvTranspose'
  | 'Cos'
  | 'Div'
  | 'Erf'
  | 'Exp'
  | 'Expand'
  | 'Gather'
  | 'Gemm'
  | 'InstanceNormalization'
  | 'LayerNormalization'
  | 'MatMul'
  | 'Mul'
  | 'MultiHeadAttention'
  | 'Pad'
  | 'ReduceMean'
  | 'ReduceSum'
  | 'Reshape'
  | 'Resize'
  | 'ScatterND'
  | 'Shape'
  | 'Sigmoid'
  | 'Sign'
  | 'Sin'
  | 'Slice'
  | 'Softmax'
  | 'Sqrt'
  | 'Sub'
  | 'Transpose';

export type Attribute = { int: number } | { ints: number[] } | { float: number } | { string: string };
export type Attributes = Record<string, Attribute>;

export interface Node {
  op: Op;
  inputs: Tensor[];
  outputs: Tensor[];
  attributes: Attributes;
  /** Computed in float32 whatever the rest is. */
  precise: boolean;
  /** The part of a network that it belongs to, see {@link Graph.segment}. */
  segment: number | undefined;
}

/** Where an initializer's little-endian bytes are: in memory, or at `offset` of a file that stays where it is. */
export type Source = { bytes: Uint8Array } | { file: string; offset: number; length: number };

/** What a tensor is made by: a node, the caller at run time, or nothing (a weight or a constant). */
export type Origin = { node: Node } | { input: true } | { source: Source };

/** The integers of an attribute. @throws if the node has none of that name. */
export function integersOf(attributes: Attributes, name: string): number[] {
  const attribute = attributes[name];
  if (!attribute || !('ints' in attribute)) throw new Error(`attribute ${name}: integers wanted`);
  return attribute.ints;
}
