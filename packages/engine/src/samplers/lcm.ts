import { InputError } from '../error.ts';
import { at, lastPart, mixed, type SamplerKind, samplerOf } from './sampler.ts';
import { blend, levelAt } from './schedule.ts';

/** How many timesteps a latent consistency model was taught (arXiv 2310.04378, section 4.3, with k = 20 of 1000). */
const taught = 50;

/**
 * Multistep consistency sampling (arXiv 2303.01469, algorithm 1) for models distilled by latent consistency (LCM), or with an
 * LCM LoRA: 1 to 8 steps; each gives a picture, and all but the last noise it again.
 */
export const lcm: SamplerKind = (schedule, count, strength = 1) => {
  const stride = Math.floor(schedule.alphasCumprod.length / taught);
  if (!Number.isInteger(count) || count < 1 || count > taught || stride < 1)
    throw new InputError('bad_steps', `${count} steps: 1 to ${taught} wanted for lcm, which needs 4 to 8`);
  const timesteps = Array.from({ length: count }, (_, i) => (taught - Math.floor((i * taught) / count)) * stride - 1);
  const left = lastPart(timesteps, strength);
  const steps = left.map((timestep, i) => ({
    timestep,
    from: levelAt(schedule, timestep),
    to: i === left.length - 1 ? { signal: 1, noise: 0 } : levelAt(schedule, at(left, i + 1)),
  }));
  return samplerOf(schedule, steps, ({ latents }, { picture }, i, fresh) => {
    const { timestep, to } = at(steps, i);
    // The consistency function's boundary condition (appendix C there), σ_data = 0.5 and timesteps counted tenfold
    const scaled = 10 * timestep;
    const skip = 0.25 / (scaled ** 2 + 0.25);
    const denoised = blend(scaled / Math.hypot(scaled, 0.5), picture, skip, latents);
    return { latents: to.noise === 0 ? denoised : mixed(to, { picture: denoised, noise: fresh() }), history: [] };
  });
};
