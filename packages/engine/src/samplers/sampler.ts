import { blend, type Schedule } from './schedule.ts';

/** How latents are mixed of a picture x₀ and noise ε of variance 1: `signal` x₀ + `noise` ε. */
export interface Level {
  signal: number;
  noise: number;
}

/** One call of the model: the timestep that it is told, the level of the latents that it sees, and the level after it. */
export interface Step {
  timestep: number;
  from: Level;
  to: Level;
}

/** What one picture carries from step to step: its latents, and what a multistep sampler remembers of earlier steps. */
export interface SampleState {
  latents: Float32Array;
  history: readonly Float32Array[];
}

/** What the model makes of latents: the picture and the noise that they are mixed of. */
export interface Seen {
  picture: Float32Array;
  noise: Float32Array;
}

/**
 * The way from noise, or from a picture under noise, to latents in a fixed number of steps. It holds no state: pictures at
 * different steps may share it, and a batch.
 */
export interface Sampler {
  steps: readonly Step[];
  /** Standard deviation of the latents that a picture out of nothing but noise starts from (diffusers' `init_noise_sigma`). */
  initialScale: number;
  /** The state before step 0, of noise with variance 1 and, if it is to start from one, a picture's latents. */
  start(noise: Float32Array, picture?: Float32Array): SampleState;
  /** The latents as the model wants to see them at step `i`. */
  input(state: SampleState, i: number): Float32Array;
  /**
   * The state after step `i`, given the model's (guided) output at it.
   * @param fresh new noise of variance 1, for samplers that add some
   */
  step(state: SampleState, output: Float32Array, i: number, fresh: () => Float32Array): SampleState;
}

/** How a kind of sampler goes on from step `i`, given what the model sees in the latents. */
export type Advance = (state: SampleState, seen: Seen, i: number, fresh: () => Float32Array) => SampleState;

/**
 * A kind of sampler.
 * @param strength in 0 … 1, the part of `steps` that is taken, the last ones; less than 1 to start from a picture
 * @throws InputError `bad_steps`
 */
export type SamplerKind = (schedule: Schedule, steps: number, strength?: number) => Sampler;

/** A sampler that takes these steps, given what distinguishes its kind. */
export function samplerOf({ predictionType }: Schedule, steps: readonly Step[], advance: Advance, initialScale = 1): Sampler {
  const input = ({ latents }: SampleState, i: number) => {
    const scale = 1 / size(at(steps, i).from);
    return scale === 1 ? latents : latents.map((value) => value * scale);
  };
  return {
    steps,
    initialScale,
    input,
    start(noise, picture) {
      if (picture) return { latents: mixed(at(steps, 0).from, { picture, noise }), history: [] };
      return { latents: initialScale === 1 ? noise : noise.map((value) => value * initialScale), history: [] };
    },
    step(state, output, i, fresh) {
      const { from } = at(steps, i);
      const shown = input(state, i);
      const [signal, noise] = [from.signal / size(from), from.noise / size(from)];
      const seen =
        predictionType === 'epsilon'
          ? { picture: blend(1 / signal, shown, -noise / signal, output), noise: output }
          : // With x = cos φ x₀ + sin φ ε and v = dx/dφ
            { picture: blend(signal, shown, -noise, output), noise: blend(noise, shown, signal, output) };
      return advance(state, seen, i, fresh);
    },
  };
}

/** Latents at a level. */
export const mixed = ({ signal, noise }: Level, of: Seen): Float32Array<ArrayBuffer> =>
  blend(signal, of.picture, noise, of.noise);

/** What divides latents to variance 1; exactly 1 at levels that have it but for rounding. */
function size({ signal, noise }: Level): number {
  const hypotenuse = Math.hypot(signal, noise);
  return Math.abs(hypotenuse - 1) < 1e-12 ? 1 : hypotenuse;
}

/** Half the logarithm of the signal-to-noise ratio, the λ of arXiv 2206.00927; infinite without noise. */
export const halfLogSnr = ({ signal, noise }: Level): number => Math.log(signal / noise);

/** The last part of a list, at least one entry: of steps, those that a picture under less than full noise still needs. */
export const lastPart = <T>(list: readonly T[], strength: number): T[] =>
  list.slice(Math.min(list.length - 1, list.length - Math.floor(list.length * strength)));

/** The entry of a list that a step's index is right for. */
export function at<T>(list: readonly T[], i: number): T {
  const value = list[i];
  if (value === undefined) throw new RangeError(`step ${i}: 0 to ${list.length - 1} wanted`);
  return value;
}
