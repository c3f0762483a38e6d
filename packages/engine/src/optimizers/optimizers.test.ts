import { describe, expect, it } from 'vitest';
import { randomFrom } from '../random.ts';
import { type OptimizerName, optimizers } from './index.ts';

const names: OptimizerName[] = ['adamw', 'lion', 'prodigy'];
const length = 20;
const normal = (...keys: number[]) => randomFrom(...keys).fillNormal(new Float32Array(length));

/*
 * The rules once more, number by number in float64, from the papers (and for Prodigy its authors' program, which the paper's
 * algorithm leaves a few choices to).
 */
function lionByHand(steps: Float32Array[], rate: number): number[] {
  const p = [...normal(1)];
  const m = p.map(() => 0);
  for (const gradients of steps) {
    for (const [i, g] of gradients.entries()) {
      const direction = 0.9 * (m[i] ?? 0) + 0.1 * g;
      p[i] = (p[i] ?? 0) * (1 - 0.01 * rate) - rate * (direction > 0 ? 1 : direction < 0 ? -1 : 0);
      m[i] = 0.99 * (m[i] ?? 0) + 0.01 * g;
    }
  }
  return p;
}

function prodigyByHand(steps: Float32Array[], rate: number): { p: number[]; d: number } {
  // From 0: near 1 the first steps, of a millionth, would drown in float32's rounding.
  const begin = Array.from({ length }, () => 0);
  const p = [...begin];
  const [m, v, s] = [0, 0, 0].map(() => p.map(() => 0)) as [number[], number[], number[]];
  let [d, r] = [1e-6, 0];
  for (const gradients of steps) {
    const g = [...gradients];
    const beta3 = 0.999 ** 0.5;
    const step = d * rate;
    r = beta3 * r + (d / 1e-6) * step * g.reduce((sum, value, i) => sum + value * ((begin[i] ?? 0) - (p[i] ?? 0)), 0);
    for (const [i, value] of g.entries()) {
      m[i] = 0.9 * (m[i] ?? 0) + 0.1 * d * value;
      v[i] = 0.999 * (v[i] ?? 0) + 0.001 * (d * value) ** 2;
      s[i] = beta3 * (s[i] ?? 0) + (d / 1e-6) * step * value;
    }
    d = Math.max(d, r / s.reduce((sum, value) => sum + Math.abs(value), 0));
    for (const i of p.keys()) {
      const decayed = (p[i] ?? 0) * (1 - 0.01 * step);
      p[i] = decayed - (step * (m[i] ?? 0)) / (Math.sqrt(v[i] ?? 0) + d * 1e-8);
    }
  }
  return { p, d };
}

const run = (name: OptimizerName, steps: Float32Array[], rate: number, values = normal(1)) => {
  let state = optimizers[name].begin(values);
  for (const gradients of steps)
    state = optimizers[name].step(values, gradients, state, { learningRate: rate, weightDecay: 0.01 });
  return { values, state };
};

describe('against arithmetic by hand', () => {
  // Gradients that mostly agree, so that Prodigy has a distance to find
  const steps = Array.from({ length: 30 }, (_, i) => normal(2).map((value, j) => value + 0.3 * (normal(3, i)[j] ?? 0)));

  it('lion', () => {
    const { values } = run('lion', steps, 0.01);
    for (const [i, wanted] of lionByHand(steps, 0.01).entries()) expect(values[i]).toBeCloseTo(wanted, 5);
  });

  it('prodigy', () => {
    const { values, state } = run('prodigy', steps, 1, new Float32Array(length));
    const { p, d } = prodigyByHand(steps, 1);
    expect(state.numbers.distance).toBeGreaterThan(1e-5);
    expect(Math.abs((state.numbers.distance ?? 0) / d - 1)).toBeLessThan(1e-3);
    for (const [i, wanted] of p.entries()) expect(Math.abs((values[i] ?? 0) / wanted - 1)).toBeLessThan(1e-3);
  });
});

describe.each(names)('%s', (name) => {
  it('finds the bottom of a bowl', () => {
    const bottom = normal(9);
    const values = new Float32Array(length);
    let state = optimizers[name].begin(values);
    const distance = () => Math.hypot(...values.map((value, i) => value - (bottom[i] ?? 0)));
    const before = distance();
    // Prodigy needs none; what the others are given falls, as their steps would not.
    for (let i = 0; i < 1500; i++) {
      const rate = name === 'prodigy' ? 1 : 0.02 * (1 - i / 1500);
      state = optimizers[name].step(
        values,
        values.map((value, j) => value - (bottom[j] ?? 0)),
        state,
        { learningRate: rate, weightDecay: 0.01 },
      );
    }
    expect(state.step).toBe(1500);
    // Weight decay draws a little towards 0.
    expect(distance()).toBeLessThan(0.05 * before);
  });

  it('goes on where its state was kept', () => {
    const steps = Array.from({ length: 6 }, (_, i) => normal(4, i));
    const whole = run(name, steps, 0.1);
    const values = normal(1);
    let state = optimizers[name].begin(values);
    for (const [i, gradients] of steps.entries()) {
      if (i === 3) {
        const arrays = Object.fromEntries(Object.entries(state.arrays).map(([key, array]) => [key, array.slice()]));
        state = { step: state.step, arrays, numbers: JSON.parse(JSON.stringify(state.numbers)) };
      }
      state = optimizers[name].step(values, gradients, state, { learningRate: 0.1, weightDecay: 0.01 });
    }
    expect(values).toEqual(whole.values);
    expect(state.numbers).toEqual(whole.state.numbers);
  });
});
