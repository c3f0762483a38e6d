import { at, halfLogSnr, type Sampler, type SamplerKind, type SampleState, type Step, samplerOf } from './sampler.ts';
import { blend, type Schedule } from './schedule.ts';
import { karrasSteps, solverSteps } from './solver.ts';

/** DPM-Solver++(2M) (arXiv 2211.01095, algorithm 2), its first and its last step of first order. */
export const dpmpp2m: SamplerKind = (schedule, count, strength = 1) =>
  dpmpp(schedule, solverSteps(schedule, schedule.spacings.DPMSolverMultistepScheduler ?? 'linspace', count, strength));

/** The same at the noise levels of Karras et al. */
export const dpmpp2mKarras: SamplerKind = (schedule, count, strength = 1) =>
  dpmpp(schedule, karrasSteps(schedule, count, strength));

const dpmpp = (schedule: Schedule, steps: readonly Step[]): Sampler =>
  samplerOf(schedule, steps, ({ latents, history: [earlier] }, { picture }, i): SampleState => {
    const { from, to } = at(steps, i);
    const h = halfLogSnr(to) - halfLogSnr(from);
    const phi = to.signal * Math.expm1(-h);
    if (!earlier || i === steps.length - 1)
      return { latents: blend(to.noise / from.noise, latents, -phi, picture), history: [picture] };
    const r = (halfLogSnr(from) - halfLogSnr(at(steps, i - 1).from)) / h;
    // The picture in the middle of the step, extrapolated from the last two
    const middle = blend(1 + 1 / (2 * r), picture, -1 / (2 * r), earlier);
    return { latents: blend(to.noise / from.noise, latents, -phi, middle), history: [picture] };
  });
