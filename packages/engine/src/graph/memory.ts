import { total } from './dims.ts';
import { needed } from './onnx.ts';
import type { Tensor } from './tensor.ts';

const widths = { float32: 4, float16: 2, bfloat16: 2, int64: 8 };

const bytesOf = ({ sizes, dtype }: Tensor): number => widths[dtype] * total(sizes);

/** Tensors that are computed from weights alone, and the weights: onnxruntime works them out when it opens a session. */
function constantsOf([nodes, leaves]: ReturnType<typeof needed>): Set<Tensor> {
  const constant = new Set(leaves.filter(({ origin }) => 'source' in origin));
  for (const { inputs, outputs } of nodes)
    if (inputs.every((input) => constant.has(input))) for (const output of outputs) constant.add(output);
  return constant;
}

/**
 * Bytes of what a graph of fixed sizes holds all the time: its weights as they are used, so that one which the gradient wants turned
 * counts twice, and one that is cast counts as what it is cast to. What is computed twice alike is one, as onnxruntime has it.
 */
export function weightBytes(outputs: readonly Tensor[]): number {
  const graph = needed(outputs);
  const constant = constantsOf(graph);
  const spelt = new Map<Tensor, string>();
  const spell = (tensor: Tensor): string => {
    const { origin, name } = tensor;
    const known = spelt.get(tensor);
    if (known !== undefined || !('node' in origin)) return known ?? name;
    const { op, inputs, attributes } = origin.node;
    const words = JSON.stringify([op, inputs.map(spell), attributes]);
    spelt.set(tensor, words);
    return words;
  };
  const held = new Map<string, number>();
  for (const { inputs, outputs: made } of graph[0]) {
    if (made.every((output) => constant.has(output))) continue;
    for (const input of inputs) if (constant.has(input)) held.set(spell(input), bytesOf(input));
  }
  return [...held.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/**
 * The most that the tensors computed by a graph of fixed sizes take at once, if its nodes run in the order in which they were made
 * and each result lives until its last use; weights are not counted, nor what is computed from nothing else.
 */
export function peakBytes(outputs: readonly Tensor[]): number {
  const graph = needed(outputs);
  const [nodes] = graph;
  const constant = constantsOf(graph);
  const uses = new Map<Tensor, number>(outputs.map((output) => [output, 1]));
  // A reshaped tensor is the same memory under another shape.
  const owners = new Map<Tensor, Tensor>();
  const owner = (tensor: Tensor): Tensor => owners.get(tensor) ?? tensor;
  for (const { op, inputs, outputs: made } of nodes) {
    const [source] = inputs;
    const [result] = made;
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
