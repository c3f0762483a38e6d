import { at, lastPart, mixed, type SamplerKind, samplerOf } from './sampler.ts';
import { levelAt, levelBefore, spacedTimesteps } from './schedule.ts';

/** DDIM (arXiv 2010.02502, eq. 12) with η = 0: deterministic, no clipping. */
export const ddim: SamplerKind = (schedule, count, strength = 1) => {
  const timesteps = spacedTimesteps(schedule, schedule.spacings.DDIMScheduler ?? 'leading', count).map(Math.round);
  const steps = lastPart(timesteps, strength).map((timestep) => ({
    timestep,
    from: levelAt(schedule, timestep),
    // diffusers steps by the stride, not to the next timestep of the list.
    to: levelBefore(schedule, timestep, count),
  }));
  return samplerOf(schedule, steps, (_, seen, i) => ({ latents: mixed(at(steps, i).to, seen), history: [] }));
};
