import type { Schedule } from './schedule.ts';

/** What one picture carries from step to step: its latents, and what a multistep sampler remembers of earlier steps. */
export interface SampleState {
  latents: Float32Array;
  history: readonly Float32Array[];
}

/**
 * The way from noise to a picture's latents in a fixed number of steps. It holds no state: pictures at different steps
 * may share it, and a batch.
 */
export interface Sampler {
  /** The timestep to give the model at each step `i`; one model call each. */
  timesteps: readonly number[];
  /** Standard deviation of the latents that the first step starts from (diffusers' `init_noise_sigma`). */
  initialScale: number;
  /** The state before step 0, of noise with variance 1. */
  start(noise: Float32Array): SampleState;
  /** The latents as the model wants to see them at step `i`. */
  input(state: SampleState, i: number): Float32Array;
  /** The state after step `i`, given the model's (guided) output at it. */
  step(state: SampleState, output: Float32Array, i: number): SampleState;
}

/** A kind of sampler. @throws InputError `bad_steps` */
export type SamplerKind = (schedule: Schedule, steps: number) => Sampler;

/** The entry of a list that a step's index is right for. */
export function at(list: ArrayLike<number>, i: number): number {
  const value = list[i];
  if (value === undefined) throw new RangeError(`step ${i}: 0 to ${list.length - 1} wanted`);
  return value;
}
