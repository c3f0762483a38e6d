import { rules } from './rules.ts';
import type { Node, Tensor } from './tensor.ts';

/**
 * Appends the nodes that compute d`loss`/d`parameter` for each parameter (reverse-mode differentiation).
 * Nodes that no parameter reaches get none.
 * @param loss a scalar (dimensions `[]` or `[1]`)
 * @returns gradients with the parameters' dimensions, in their order
 * @throws if a parameter does not reach the loss, or an operator on the way has no gradient
 */
export function gradient(loss: Tensor, parameters: readonly Tensor[]): Tensor[] {
  const { graph } = loss;
  const nodes: readonly Node[] = [...graph.nodes];
  const reached = new Set<Tensor>(parameters);
  for (const node of nodes) {
    if (node.inputs.some((input) => reached.has(input))) for (const output of node.outputs) reached.add(output);
  }
  const gradients = new Map<Tensor, Tensor>([[loss, graph.constant([1], loss.sizes)]]);
  for (const node of nodes.toReversed()) {
    const [output] = node.outputs;
    const g = output && gradients.get(output);
    if (!output || !g || !reached.has(output)) continue;
    const rule = rules[node.op];
    if (!rule) throw new Error(`${node.op} (${output}) has no gradient`);
    rule(g, node.inputs, output, node.attributes).forEach((contribution, i) => {
      const input = node.inputs[i];
      if (!contribution || !input || !reached.has(input)) return;
      const own = unbroadcast(contribution, input);
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

/** Sums a gradient over the dimensions in which its input was repeated. */
function unbroadcast(g: Tensor, input: Tensor): Tensor {
  const extra = g.rank - input.rank;
  const axes = g.sizes.flatMap((size, axis) => (axis < extra || (input.size(axis - extra) === 1 && size !== 1) ? [axis] : []));
  return axes.length === 0 ? g : g.sum(axes, true).reshape(input.sizes);
}
