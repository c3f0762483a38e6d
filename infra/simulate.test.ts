import { expect, test } from 'vitest';
import { type Scenario, simulate } from './simulate.ts';

/** Erlang's C formula (1917): the chance that one who comes to c servers, offered `load` of them, must wait. */
function erlangC(c: number, load: number): number {
  // The inverse of Erlang B by its recursion, which does not overflow.
  let inverse = 1;
  for (let k = 1; k <= c; k++) inverse = 1 + (inverse * k) / load;
  const b = 1 / inverse;
  return b / (1 - (load / c) * (1 - b));
}

const mmc = (c: number, load: number): Scenario => ({
  perDay: (load / 10) * 86_400,
  pattern: 'steady',
  days: 300_000 / (load * 8640),
  machines: { always: c },
  exponential: true,
  assumed: { slots: 1, pictureSeconds: 10, sharedPart: 0 },
});

test.each([
  [1, 0.5],
  [1, 0.8],
  [3, 2.4],
  [10, 8],
])('%d servers offered %d: the mean waiting time is that of M/M/c', (c, load) => {
  const { mean, utilization, pictures } = simulate(mmc(c, load));
  const expected = (erlangC(c, load) * 10) / (c - load);
  expect(pictures).toBeGreaterThan(290_000);
  expect(Math.abs(mean / expected - 1)).toBeLessThan(0.05);
  expect(Math.abs(utilization / (load / c) - 1)).toBeLessThan(0.01);
});

const bursty: Scenario = {
  perDay: 10_000,
  pattern: 'bursty',
  days: 1,
  machines: { scaled: { jobsPerWorker: 80, most: 8, per: 'desired' } },
};

test('the same seed gives the same numbers, and every picture that is asked for is made', () => {
  const once = simulate(bursty);
  expect(simulate(bursty)).toEqual(once);
  expect(simulate({ ...bursty, seed: 2 })).not.toEqual(once);
  // 8,000 in batches, and 2,000 that come one by one, give or take a few standard deviations of a Poisson number.
  expect(Math.abs(once.pictures - 10_000)).toBeLessThan(200);
});

test('machines that are taken away lose work, not pictures', () => {
  const calm = simulate({ ...bursty, assumed: { interruptions: 0, droughts: 0 } });
  const stormy = simulate({ ...bursty, assumed: { interruptions: 10, droughts: 0 } });
  expect(stormy.pictures).toBeGreaterThan(9_800);
  expect(stormy.mean).toBeGreaterThan(1.1 * calm.mean);
});

test('whoever sends few waits for no batch, when queues are fair', () => {
  const one: Scenario = { ...bursty, perDay: 50_000, machines: { scaled: { jobsPerWorker: 80, most: 4, per: 'desired' } } };
  expect(simulate(one).fewP99).toBeLessThan(600);
  expect(simulate({ ...one, fair: false }).fewP99).toBeGreaterThan(3000);
});

test('a machine’s time is spent between that of a picture alone and that of eight together', () => {
  const flood: Scenario = {
    perDay: 4000,
    pattern: 'bursty',
    days: 1,
    machines: { always: 1 },
    assumed: { sharedPart: 0.5, pictureSeconds: 2 },
  };
  const { utilization, pictures } = simulate(flood);
  // Eight together take 2 × (0.5 + 0.5 × 8) = 9 s, alone 2 s: between 1.125 and 2 seconds a picture.
  expect((utilization * 86_400) / pictures).toBeGreaterThan(1.125);
  expect((utilization * 86_400) / pictures).toBeLessThan(1.6);
});
