import { at, type SamplerKind } from './sampler.ts';
import { alphaCumprod, blend, spacedTimesteps } from './schedule.ts';

/** DDIM (arXiv 2010.02502, eq. 12) with η = 0: deterministic, no clipping. */
export const ddim: SamplerKind = (schedule, steps) => {
  const { alphasCumprod, finalAlphaCumprod, predictionType, spacings } = schedule;
  const timesteps = spacedTimesteps(schedule, spacings.DDIMScheduler ?? 'leading', steps).map(Math.round);
  const stride = Math.floor(alphasCumprod.length / steps);
  return {
    timesteps,
    initialScale: 1,
    start: (noise) => ({ latents: noise, history: [] }),
    input: ({ latents }) => latents,
    step({ latents }, output, i) {
      const timestep = at(timesteps, i);
      const alpha = alphaCumprod(schedule, timestep);
      // diffusers steps by the stride, not to the next timestep of the list.
      const next = timestep >= stride ? alphaCumprod(schedule, timestep - stride) : finalAlphaCumprod;
      const [signal, noise] = [Math.sqrt(alpha), Math.sqrt(1 - alpha)];
      const [nextSignal, nextNoise] = [Math.sqrt(next), Math.sqrt(1 - next)];
      const after =
        predictionType === 'epsilon'
          ? // x₀ = (x − √(1−ᾱ) ε) / √ᾱ
            blend(nextSignal / signal, latents, nextNoise - (nextSignal * noise) / signal, output)
          : // x₀ = √ᾱ x − √(1−ᾱ) v, ε = √ᾱ v + √(1−ᾱ) x
            blend(nextSignal * signal + nextNoise * noise, latents, nextNoise * signal - nextSignal * noise, output);
      return { latents: after, history: [] };
    },
  };
};
