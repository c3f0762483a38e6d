import { at, lastPart, mixed, type SamplerKind, samplerOf } from './sampler.ts';
import { blend, levelAt, levelBefore, spacedTimesteps } from './schedule.ts';

/**
 * PNDM (arXiv 2202.09778) as Stable Diffusion 1 uses it, without Runge-Kutta steps: the noise predictions of up to four steps
 * in a linear multistep formula (eq. 12). The first step is taken twice, the second time with the mean of the predictions at
 * its two ends, so there is one model call more than there are steps.
 */
export const pndm: SamplerKind = (schedule, count, strength = 1) => {
  const spaced = spacedTimesteps(schedule, schedule.spacings.PNDMScheduler ?? 'leading', count).map(Math.round);
  const [first = 0, ...others] = lastPart(spaced, strength);
  const [second] = others;
  const steps = [first, ...(second === undefined ? [] : [second]), ...others].map((timestep, i) => {
    const start = i === 1 ? first : timestep;
    return { timestep, from: levelAt(schedule, timestep), to: levelBefore(schedule, start, count) };
  });
  return samplerOf(schedule, steps, ({ latents, history }, { noise }, i) => {
    const { from, to } = at(steps, i);
    /** From these latents, of this noise as a whole, to the level after the step. */
    const move = (start: Float32Array, level: typeof from, whole: Float32Array) =>
      mixed(to, { picture: blend(1 / level.signal, start, -level.noise / level.signal, whole), noise: whole });
    if (i === 0) return { latents: move(latents, from, noise), history: [noise, latents] };
    if (i === 1) {
      const [earlier = noise, start = latents] = history;
      return { latents: move(start, at(steps, 0).from, weighted([0.5, 0.5], [noise, earlier])), history: [earlier] };
    }
    const known = [noise, ...history].slice(0, 4);
    // Adams and Bashforth's, of the newest first
    const weights = [[1], [3 / 2, -1 / 2], [23 / 12, -16 / 12, 5 / 12], [55 / 24, -59 / 24, 37 / 24, -9 / 24]];
    return { latents: move(latents, from, weighted(at(weights, known.length - 1), known)), history: known.slice(0, 3) };
  });
};

const weighted = (weights: readonly number[], arrays: readonly Float32Array[]): Float32Array =>
  at(arrays, 0).map((_, n) => weights.reduce((sum, weight, k) => sum + weight * (arrays[k]?.[n] ?? Number.NaN), 0));
