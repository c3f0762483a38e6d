import { Graph } from './graph.ts';
import type { Node } from './node.ts';
import { needed } from './onnx.ts';
import type { Tensor } from './tensor.ts';

/**
 * The same computation in float16, its inputs and outputs in float32 as before. Weights that are float16 in their files are taken
 * as they are. In float32 stay normalizations of pictures, which sum squares, where float16 overflows at 256, and sines and cosines
 * with the angles that lead to them, the times up to 1000.
 */
export function inHalf<Name extends string>(outputs: Readonly<Record<Name, Tensor>>): Record<Name, Tensor> {
  const graph = new Graph();
  const [nodes, leaves] = needed(Object.values(outputs));
  const precise = preciseNodes(nodes);
  const made = new Map<Tensor, Tensor>();
  for (const leaf of leaves) {
    const { name, dims, dtype, origin } = leaf;
    made.set(leaf, 'source' in origin ? graph.weight(name, leaf.sizes, dtype, origin.source) : graph.input(name, dims, dtype));
  }
  const casts = new Map<Tensor, Tensor>();
  /** A tensor of the old graph in the new one, as a float of this width if it is a float. */
  const as = (old: Tensor, dtype: 'float16' | 'float32'): Tensor => {
    const tensor = made.get(old);
    if (!tensor) throw new Error(`${old} is used before it is made`);
    if (tensor.dtype === dtype || tensor.dtype === 'int64') return tensor;
    const cast = casts.get(tensor) ?? tensor.cast(dtype);
    casts.set(tensor, cast);
    return cast;
  };
  for (const node of nodes) {
    const { op, inputs, attributes } = node;
    const dtype = precise.has(node) ? 'float32' : 'float16';
    const [source] = inputs;
    const [only] = node.outputs;
    if (op === 'Cast' && source && source.dtype !== 'int64' && only?.dtype === 'float32') {
      // From whatever a weight is stored as straight to what is wanted of it.
      made.set(only, as(source, dtype));
      continue;
    }
    // Resize's factors are float32 in either case.
    const mapped = inputs.map((input, i) => (op === 'Resize' && i > 0 ? (made.get(input) ?? input) : as(input, dtype)));
    const type = only?.dtype === 'float32' ? dtype : (only?.dtype ?? dtype);
    const results = graph.nodeWithOutputs(
      op,
      mapped,
      node.outputs.map(({ dims }) => dims),
      type,
      attributes,
    );
    for (const [i, output] of node.outputs.entries()) made.set(output, results[i] ?? results[0]);
  }
  const named: [Name, Tensor][] = [];
  for (const name in outputs) named.push([name, as(outputs[name], 'float32')]);
  // Object.fromEntries forgets the keys' type.
  return Object.fromEntries(named) as Record<Name, Tensor>;
}

/** What was marked so, normalizations of pictures and those that tell their deviation too, and all that only makes angles. */
function preciseNodes(nodes: readonly Node[]): Set<Node> {
  const users = new Map<Tensor, Node[]>();
  for (const node of nodes) for (const input of node.inputs) users.set(input, [...(users.get(input) ?? []), node]);
  const angles = new Set(nodes.filter(({ op }) => op === 'Sin' || op === 'Cos'));
  for (const node of nodes.toReversed()) {
    const using = node.outputs.flatMap((output) => users.get(output) ?? []);
    if (using.length > 0 && using.every((user) => angles.has(user))) angles.add(node);
  }
  const precise = ({ op, precise, outputs }: Node) => precise || op === 'InstanceNormalization' || outputs.length > 1;
  return new Set([...angles, ...nodes.filter(precise)]);
}
