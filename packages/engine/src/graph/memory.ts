import { needed } from './onnx.ts';
import type { Tensor } from './tensor.ts';

const widths = { float32: 4, float16: 2, bfloat16: 2, int64: 8 };

const bytesOf = ({ sizes, dtype }: Tensor): number => widths[dtype] * sizes.reduce((product, size) => product * size, 1);

/** Bytes of the weights that a graph of fixed sizes reads from files, as float32. */
export function weightBytes(outputs: readonly Tensor[]): number {
  const [, leaves] = needed(outputs);
  const weights = leaves.filter(({ origin }) => 'source' in origin && 'file' in origin.source);
  return weights.reduce((sum, { sizes }) => sum + 4 * sizes.reduce((product, size) => product * size, 1), 0);
}

/**
 * The most that the tensors computed by a graph of fixed sizes take at once, if its nodes run in the order in which they were made
 * and each result lives until its last use; weights are not counted, nor what is computed from nothing else.
 */
export function peakBytes(outputs: readonly Tensor[]): number {
  const [nodes, leaves] = needed(outputs);
  // Weights turned or cast are folded into weights when a session opens.
  const constant = new Set(leaves.filter(({ origin }) => 'source' in origin));
  const uses = new Map<Tensor, number>(outputs.map((output) => [output, 1]));
  // A reshaped tensor is the same memory under another shape.
  const owners = new Map<Tensor, Tensor>();
  const owner = (tensor: Tensor): Tensor => owners.get(tensor) ?? tensor;
  for (const { op, inputs, outputs: made } of nodes) {
    const [source] = inputs;
    const [result] = made;
    if (inputs.every((input) => constant.has(input))) for (const output of made) constant.add(output);
    if (op === 'Reshape' && source && result) owners.set(result, owner(source));
    for (const input of inputs) uses.set(owner(input), (uses.get(owner(input)) ?? 0) + 1);
  }
  let [now, most] = [0, 0];
  for (const { op, inputs, outputs: made } of nodes) {
    const counted = made.filter((output) => !constant.has(output) && owner(output) === output && (uses.get(output) ?? 0) > 0);
    if (op !== 'Shape') for (const output of counted) now += bytesOf(output);
    most = Math.max(most, now);
    for (const input of inputs) {
      const own = owner(input);
      const left = (uses.get(own) ?? 0) - 1;
      uses.set(own, left);
      if (left === 0 && 'node' in own.origin && !constant.has(own) && own.origin.node.op !== 'Shape') now -= bytesOf(own);
    }
  }
  return most;
}
