import { expect, it } from 'vitest';
import { gradient } from './gradient.ts';
import { Graph } from './graph.ts';
import { peakBytes, weightBytes } from './memory.ts';

const file = { file: 'w.safetensors', offset: 0, length: 2 * 400 * 600 };
/** What ones of the loss's size, `[2, 400]`, and a few shapes take beside the weights. */
const little = 4000;

it('counts a weight in each shape in which it is used, as float32, and once in each', () => {
  const graph = new Graph('trained');
  const weight = graph.weight('w', [400, 600], 'float16', file).cast('float32');
  const a = graph.input('a', [600]);
  const x = graph.input('x', [2, 600]).mul(a);
  const loss = x.matmul(weight.transposed()).mul(x.matmul(weight.transposed())).sum([0, 1], false);
  const bytes = 4 * 400 * 600;
  const forwards = weightBytes([loss]);
  expect(forwards).toBeGreaterThanOrEqual(bytes);
  expect(forwards).toBeLessThan(bytes + little);
  // The gradient multiplies with the weight as it lies in the file.
  const both = weightBytes([loss, ...gradient(loss, [a])]);
  expect(both).toBeGreaterThanOrEqual(2 * bytes);
  expect(both).toBeLessThan(2 * bytes + little);
});

it('counts what is computed for as long as it is needed', () => {
  const graph = new Graph();
  const first = graph.input('x', [1000]).exp();
  // One goes into the next; the first is needed until the end.
  const loss = first.exp().exp().exp().add(first).sum([0], false);
  expect(peakBytes([loss])).toBe(3 * 4000);
});
