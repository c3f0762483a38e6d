import { at, halfLogSnr, type SamplerKind, samplerOf } from './sampler.ts';
import { blend } from './schedule.ts';
import { solverSteps } from './solver.ts';

/**
 * UniPC (arXiv 2302.04867) of order 2 with B(h) = eʰ − 1, predicting the picture: each step's latents are corrected by what the
 * model makes of them (UniC) before the next are predicted (UniP).
 */
export const unipc: SamplerKind = (schedule, count, strength = 1) => {
  const steps = solverSteps(schedule, schedule.spacings.UniPCMultistepScheduler ?? 'linspace', count, strength);
  /** Of the step's prediction and of its correction: 1 at the first step, and at the last, which ends without noise. */
  const orderOf = (i: number) => Math.min(2, steps.length - i, i + 1);

  return samplerOf(schedule, steps, ({ latents, history }, { picture }, i) => {
    // Latents before the step before this one; what the model saw then, and one step earlier
    const [lastLatents, last, earlier] = history;
    const corrected =
      lastLatents && last
        ? move(i - 1, lastLatents, last, earlier, (order) => correct(i - 1, order, picture, last, earlier))
        : latents;
    return {
      latents: move(i, corrected, picture, last, (order) =>
        order === 2 && last ? blend(0.5 / ratio(i), picture, -0.5 / ratio(i), last) : undefined,
      ),
      history: [corrected, picture, ...(last ? [last] : [])],
    };
  });

  /** From latents before step `i` to those after it: exactly if the picture stayed as it is, and by its changes. */
  function move(
    i: number,
    before: Float32Array,
    picture: Float32Array,
    earlier: Float32Array | undefined,
    change: (order: number) => Float32Array | undefined,
  ): Float32Array {
    const { from, to } = at(steps, i);
    const phi = to.signal * Math.expm1(halfLogSnr(from) - halfLogSnr(to));
    const straight = blend(to.noise / from.noise, before, -phi, picture);
    const changed = change(earlier ? orderOf(i) : 1);
    return changed ? blend(1, straight, -phi, changed) : straight;
  }

  /** How long the step before step `i` was in λ, by the length of step `i`: the paper's −r₁. */
  function ratio(i: number): number {
    const { from, to } = at(steps, i);
    return (halfLogSnr(from) - halfLogSnr(at(steps, i - 1).from)) / (halfLogSnr(to) - halfLogSnr(from));
  }

  /** The weighted changes of the picture, after step `i` against before it and, of order 2, one step earlier. */
  function correct(
    i: number,
    order: number,
    after: Float32Array,
    picture: Float32Array,
    earlier: Float32Array | undefined,
  ): Float32Array {
    if (order === 1 || !earlier) return blend(0.5, after, -0.5, picture);
    const { from, to } = at(steps, i);
    const h = halfLogSnr(from) - halfLogSnr(to);
    // The paper's b of eq. 9 with B(h) = eʰ − 1, and the weights that solve R ρ = b
    const first = Math.expm1(h) / h - 1;
    const b1 = first / Math.expm1(h);
    const b2 = (2 * (first / h - 0.5)) / Math.expm1(h);
    const r = -ratio(i);
    const weight = (b1 - b2) / (1 - r);
    const backwards = blend(weight / r, earlier, -weight / r, picture);
    return blend(1, backwards, b1 - weight, blend(1, after, -1, picture));
  }
};
