import { describe, expect, it } from 'vitest';
import { randomAt, randomFrom } from './random.ts';

describe('random numbers', () => {
  it('are those of the xoshiro128** reference code from the state 1, 2, 3, 4', () => {
    const random = randomAt('00000001000000020000000300000004');
    const words = Array.from({ length: 10 }, () => random.integer(2 ** 32));
    expect(words).toEqual([11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804]);
  });

  it('never change between releases', () => {
    expect(randomFrom(42).state()).toMatchInlineSnapshot(`"7ca7e2975a021b3fc9a3a29571b9b17b"`);
    expect([...randomFrom(42).fillNormal(new Float32Array(3))]).toMatchInlineSnapshot(`
      [
        0.6274899840354919,
        0.1253938227891922,
        -1.8532562255859375,
      ]
    `);
  });

  it.each([
    ['seeds', [1], [2]],
    ['seeds that are equal below 2³²', [1], [1 + 2 ** 32]],
    ['signs', [1], [-1]],
    ['second keys', [1, 0], [1, 1]],
    ['numbers of keys', [1], [1, 0]],
    ['orders of keys', [1, 2], [2, 1]],
  ])('differ between %s', (_, a, b) => {
    const first = randomFrom(...a).fillNormal(new Float32Array(10_000));
    const second = randomFrom(...b).fillNormal(new Float32Array(10_000));
    const correlation = first.reduce((sum, value, i) => sum + value * (second[i] ?? 0), 0) / 10_000;
    expect(Math.abs(correlation)).toBeLessThan(0.04);
  });

  it('have the moments of the normal distribution', () => {
    const n = 200_000;
    const filled = randomFrom(7).fillNormal(new Float32Array(n));
    const single = randomFrom(8);
    for (const values of [filled, Float32Array.from({ length: n }, () => single.normal())]) {
      const moment = (power: number) => values.reduce((sum, value) => sum + value ** power, 0) / n;
      expect(Math.abs(moment(1))).toBeLessThan(0.01);
      expect(Math.abs(moment(2) - 1)).toBeLessThan(0.015);
      expect(Math.abs(moment(3))).toBeLessThan(0.04);
      expect(Math.abs(moment(4) - 3)).toBeLessThan(0.12);
      // P(|x| < 1) = erf(1/√2)
      expect(Math.abs(values.filter((value) => Math.abs(value) < 1).length / n - 0.682689)).toBeLessThan(0.005);
    }
  });

  it('are uniform', () => {
    const random = randomFrom(3);
    for (const draw of [() => random.integer(7), () => Math.floor(random.uniform() * 7)]) {
      const counts = new Array<number>(7).fill(0);
      for (let i = 0; i < 70_000; i++) {
        const drawn = draw();
        counts[drawn] = (counts[drawn] ?? 0) + 1;
      }
      expect(counts.length).toBe(7);
      // Five standard deviations of a binomial distribution
      for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(465);
    }
  });

  it('go on exactly where the state was taken', () => {
    const random = randomFrom(5, 6);
    random.fillNormal(new Float32Array(11));
    random.normal();
    const state = random.state();
    const rest = random.fillNormal(new Float32Array(9));
    expect(randomAt(state).fillNormal(new Float32Array(9))).toEqual(rest);
  });

  it.each([
    [() => randomFrom(0.5)],
    [() => randomFrom(2 ** 53)],
    [() => randomAt('12')],
    [() => randomFrom(1).integer(0)],
    [() => randomFrom(1).integer(2 ** 33)],
  ])('want whole numbers: %s', (call) => expect(call).toThrowError(RangeError));
});
