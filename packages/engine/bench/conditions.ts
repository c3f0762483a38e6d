import { type Conditions, inputsOf, stack } from '../src/families/conditions.ts';
import type { Pipeline } from '../src/index.ts';

/** What a network is told of so many pictures, all of one value. */
export const conditionsOf = ({ model }: Pipeline, batch: number): Conditions => {
  const { features, framing } = inputsOf(model);
  const one = Object.fromEntries(
    Object.entries({ ...features, ...framing }).map(([name, dims]) => [
      name,
      { data: new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(0.1), dims: [1, ...dims] },
    ]),
  );
  return stack(Array.from({ length: batch }, () => one));
};
