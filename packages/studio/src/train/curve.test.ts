import { expect, it } from 'vitest';
import { smoothed, thinned, ticksOf } from './curve.ts';

const points = (...values: number[]) => values.map((value, i) => ({ step: i + 1, value }));

it('smooths as the trainer does', () => {
  // A step from 1 to 0 decays as 0.95^n.
  const after = smoothed(points(1, ...Array<number>(20).fill(0)));
  expect(after.at(-1)).toEqual({ step: 21, value: expect.closeTo(0.95 ** 20, 12) });
  expect(smoothed([])).toEqual([]);
});

it('thins to means at the steps that are there', () => {
  expect(thinned(points(1, 3, 5, 7, 9), 3)).toEqual([
    { step: 2, value: 2 },
    { step: 4, value: 6 },
    { step: 5, value: 9 },
  ]);
  expect(thinned(points(1, 2), 3)).toEqual(points(1, 2));
});

it.each([
  [
    [0.12, 0.31],
    [0.1, 0.15, 0.2, 0.25, 0.3, 0.35],
  ],
  [
    [0, 1],
    [0, 0.5, 1],
  ],
  [
    [0.2, 0.2],
    [0.2, 0.25],
  ],
  [
    [3, 970],
    [0, 500, 1000],
  ],
])('marks %o at %o', (values, wanted) => expect(ticksOf(values)).toEqual(wanted));
