import type { Node } from './node.ts';
import { rules } from './rules.ts';
import type { Tensor } from './tensor.ts';

export interface GradientOptions {
  /** What the gradients are multiplied by, `[1]`: float16 would lose small ones. */
  scale?: Tensor;
  /** Computes the inside of the graph's segments once more when their gradient is wanted, rather than keeping it (arXiv 1604.06174). */
  recompute?: boolean;
}

/**
 * Appends the nodes that compute d`loss`/d`parameter` for each parameter (reverse-mode differentiation).
 * Nodes that no parameter reaches get none.
 * @param loss a scalar (dimensions `[]` or `[1]`)
 * @returns gradients with the parameters' dimensions, in their order
 * @throws if a parameter does not reach the loss, or an operator on the way has no gradient
 */
export function gradient(loss: Tensor, parameters: readonly Tensor[], { scale, recompute }: GradientOptions = {}): Tensor[] {
  const { graph } = loss;
  const nodes: readonly Node[] = [...graph.nodes];
  const reached = new Set<Tensor>(parameters);
  for (const node of nodes) {
    if (node.inputs.some((input) => reached.has(input))) for (const output of node.outputs) reached.add(output);
  }
  const seed = scale ? scale.reshape(loss.sizes) : graph.constant([1], loss.sizes);
  const gradients = new Map<Tensor, Tensor>([[loss, seed]]);
  let copies: { segment: number | undefined; of: (tensor: Tensor) => Tensor } = { segment: undefined, of: (tensor) => tensor };
  for (const node of nodes.toReversed()) {
    const [output] = node.outputs;
    const g = output && gradients.get(output);
    if (!output || !g || !reached.has(output)) continue;
    const rule = rules[node.op];
    if (!rule) throw new Error(`${node.op} (${output}) has no gradient`);
    if (recompute && node.segment !== copies.segment) copies = { segment: node.segment, of: again(nodes, node.segment, g) };
    const contributions = graph.precisely(
      () => rule(g, node.inputs.map(copies.of), copies.of(output), node.attributes),
      node.precise,
    );
    contributions.forEach((contribution, i) => {
      const input = node.inputs[i];
      if (!contribution || !input || !reached.has(input)) return;
      const own = graph.precisely(() => unbroadcast(contribution, input), node.precise);
      const sum = gradients.get(input);
      gradients.set(input, sum ? sum.add(own) : own);
    });
  }
  return parameters.map((parameter) => {
    const found = gradients.get(parameter);
    if (!found) throw new Error(`${parameter} does not reach the loss`);
    return found;
  });
}

/**
 * A segment's nodes once more, from what goes into it. Nothing of it may run before `g` is there, nor be taken for the same as the
 * first time by an optimizer that unites equal nodes: so what goes in has 0 · g added.
 */
function again(nodes: readonly Node[], segment: number | undefined, g: Tensor): (tensor: Tensor) => Tensor {
  if (segment === undefined) return (tensor) => tensor;
  const { graph } = g;
  const nothing = g.reshape([-1]).slice(0, 0, 1).mul(0);
  const copies = new Map<Tensor, Tensor>();
  const entering = (tensor: Tensor): Tensor => {
    if (!('node' in tensor.origin) || tensor.dtype === 'int64') return tensor;
    const { segment: from, inputs } = tensor.origin.node;
    // What is made of weights alone is made when a session opens.
    if (from === segment || inputs.every(({ origin }) => 'source' in origin)) return tensor;
    return tensor.add(nothing);
  };
  const of = (tensor: Tensor): Tensor => {
    const copy = copies.get(tensor) ?? entering(tensor);
    copies.set(tensor, copy);
    return copy;
  };
  for (const node of nodes) {
    if (node.segment !== segment) continue;
    const { op, inputs, outputs, attributes } = node;
    const dims = outputs.map((output) => output.dims);
    const made = graph.precisely(
      () => graph.nodeWithOutputs(op, inputs.map(of), dims, outputs[0]?.dtype ?? 'float32', attributes),
      node.precise,
    );
    for (const [i, output] of outputs.entries()) copies.set(output, made[i] ?? made[0]);
  }
  return of;
}

/** Sums a gradient over the dimensions in which its input was repeated. */
function unbroadcast(g: Tensor, input: Tensor): Tensor {
  const extra = Array.from({ length: g.rank - input.rank }, (_, axis) => axis);
  const own = extra.length === 0 ? g : g.sum(extra, false);
  // Two dimensions that are both known only at run time are the same.
  const repeated = own.dims.flatMap((size, axis) => (input.dims[axis] === 1 && size !== 1 ? [axis] : []));
  return repeated.length === 0 ? own : own.sum(repeated, true);
}
