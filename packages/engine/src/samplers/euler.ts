import { at, type SamplerKind } from './sampler.ts';
import { alphaCumprod, blend, type Schedule, spacedTimesteps } from './schedule.ts';

/** Euler's method on the probability-flow ODE (arXiv 2206.00364, algorithm 2 without churn); latents are x₀ + σ ε. */
export const euler: SamplerKind = (schedule, steps) => {
  const spacing = schedule.spacings.EulerDiscreteScheduler ?? 'linspace';
  const timesteps = spacedTimesteps(schedule, spacing, steps);
  const sigmas = [...timesteps.map((timestep) => sigmaAt(schedule, timestep)), 0];
  const largest = at(sigmas, 0);
  const initialScale = spacing === 'leading' ? Math.hypot(largest, 1) : largest;
  return {
    timesteps,
    initialScale,
    start: (noise) => ({ latents: noise.map((value) => value * initialScale), history: [] }),
    input: ({ latents }, i) => {
      const scale = 1 / Math.hypot(at(sigmas, i), 1);
      return latents.map((value) => value * scale);
    },
    step({ latents }, output, i) {
      const sigma = at(sigmas, i);
      const stride = at(sigmas, i + 1) - sigma;
      // The derivative (x − x₀) / σ is ε itself; a velocity v gives x₀ = x / (σ²+1) − σ v / √(σ²+1).
      const after =
        schedule.predictionType === 'epsilon'
          ? blend(1, latents, stride, output)
          : blend(1 + (stride * sigma) / (sigma ** 2 + 1), latents, stride / Math.hypot(sigma, 1), output);
      return { latents: after, history: [] };
    },
  };
};

/** σ = √((1−ᾱ) / ᾱ), linear between whole timesteps. */
function sigmaAt(schedule: Schedule, timestep: number): number {
  const sigma = (whole: number) => {
    const alpha = alphaCumprod(schedule, whole);
    return Math.sqrt((1 - alpha) / alpha);
  };
  const below = Math.floor(timestep);
  const fraction = timestep - below;
  return fraction === 0 ? sigma(below) : sigma(below) * (1 - fraction) + sigma(below + 1) * fraction;
}
