import { at, lastPart, mixed, type SamplerKind, type Step, samplerOf } from './sampler.ts';
import { type Schedule, type Spacing, sigmaAt, spacedTimesteps } from './schedule.ts';

/** Euler's method on the probability-flow ODE (arXiv 2206.00364, algorithm 2 without churn); latents are x₀ + σ ε. */
export const euler: SamplerKind = (schedule, count, strength = 1) => {
  const spacing = schedule.spacings.EulerDiscreteScheduler ?? 'linspace';
  const steps = lastPart(sigmaSteps(schedule, spacing, count), strength);
  // From x₀ + σ ε along its derivative ε to the next σ
  return samplerOf(
    schedule,
    steps,
    (_, seen, i) => ({ latents: mixed(at(steps, i).to, seen), history: [] }),
    initialScale(steps, spacing),
  );
};

/**
 * Ancestral sampling with Euler steps (Karras et al.'s k-diffusion, `sample_euler_ancestral`): each step goes further down than
 * its goal and comes back up by fresh noise, as a sample of the diffusion's posterior does.
 */
export const eulerAncestral: SamplerKind = (schedule, count, strength = 1) => {
  const spacing = schedule.spacings.EulerAncestralDiscreteScheduler ?? 'linspace';
  const steps = lastPart(sigmaSteps(schedule, spacing, count), strength);
  return samplerOf(
    schedule,
    steps,
    (_, seen, i, fresh) => {
      const { from, to } = at(steps, i);
      const up = Math.sqrt((to.noise ** 2 * (from.noise ** 2 - to.noise ** 2)) / from.noise ** 2);
      const down = mixed({ signal: 1, noise: Math.sqrt(to.noise ** 2 - up ** 2) }, seen);
      return { latents: up === 0 ? down : mixed({ signal: 1, noise: up }, { picture: down, noise: fresh() }), history: [] };
    },
    initialScale(steps, spacing),
  );
};

function sigmaSteps(schedule: Schedule, spacing: Spacing, count: number): Step[] {
  const timesteps = spacedTimesteps(schedule, spacing, count);
  const sigmas = [...timesteps.map((timestep) => sigmaAt(schedule, timestep)), 0];
  return timesteps.map((timestep, i) => ({
    timestep,
    from: { signal: 1, noise: at(sigmas, i) },
    to: { signal: 1, noise: at(sigmas, i + 1) },
  }));
}

function initialScale(steps: readonly Step[], spacing: Spacing): number {
  const largest = at(steps, 0).from.noise;
  return spacing === 'leading' ? Math.hypot(largest, 1) : largest;
}
