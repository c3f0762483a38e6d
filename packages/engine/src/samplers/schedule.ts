import { z } from 'zod';
import { InputError } from '../error.ts';
import type { Level } from './sampler.ts';

/** How noisy each timestep of a diffusion model is, and what the model predicts. */
export interface Schedule {
  /** ᾱ of each timestep, from nearly 1 (clean) to nearly 0 (noise); DDPM, arXiv 2006.11239, eq. 4. */
  alphasCumprod: Float64Array;
  /** Noise, or the velocity of arXiv 2202.00512. */
  predictionType: 'epsilon' | 'v_prediction';
  /** ᾱ that DDIM ends at. */
  finalAlphaCumprod: number;
  /** Added to `leading` timesteps. */
  stepsOffset: number;
  /** Spacing by the diffusers class that the configuration was written for; another sampler has its own. */
  spacings: Readonly<Record<string, Spacing>>;
}

export type Spacing = 'leading' | 'linspace' | 'trailing';

/** diffusers' scheduler_config.json, as far as it describes the model rather than one sampler. */
const Config = z.object({
  _class_name: z.string().default(''),
  num_train_timesteps: z.int().min(1).max(100_000).default(1000),
  beta_schedule: z.enum(['linear', 'scaled_linear']).default('linear'),
  beta_start: z.number().positive().max(1).default(0.0001),
  beta_end: z.number().positive().max(1).default(0.02),
  trained_betas: z.array(z.number().positive().max(1)).min(1).nullish(),
  prediction_type: z.enum(['epsilon', 'v_prediction']).default('epsilon'),
  set_alpha_to_one: z.boolean().default(true),
  steps_offset: z.int().nonnegative().default(0),
  timestep_spacing: z.enum(['leading', 'linspace', 'trailing']).optional(),
  rescale_betas_zero_snr: z.literal(false, 'zero terminal signal-to-noise is not supported').optional(),
  thresholding: z.literal(false, 'dynamic thresholding is not supported').optional(),
});

/** Reads a schedule from the contents of scheduler_config.json. @throws InputError `bad_model` */
export function openSchedule(config: unknown): Schedule {
  const parsed = Config.safeParse(config);
  if (!parsed.success) throw new InputError('bad_model', `scheduler_config.json: ${z.prettifyError(parsed.error)}`);
  const { num_train_timesteps: count, beta_schedule, beta_start, beta_end, trained_betas, ...rest } = parsed.data;
  const line = (from: number, to: number) =>
    Array.from({ length: count }, (_, i) => (count === 1 ? from : from + ((to - from) * i) / (count - 1)));
  const betas =
    trained_betas ??
    (beta_schedule === 'linear'
      ? line(beta_start, beta_end)
      : line(Math.sqrt(beta_start), Math.sqrt(beta_end)).map((root) => root ** 2));
  let product = 1;
  const alphasCumprod = Float64Array.from(betas, (beta) => {
    product *= 1 - beta;
    return product;
  });
  return {
    alphasCumprod,
    predictionType: rest.prediction_type,
    finalAlphaCumprod: rest.set_alpha_to_one ? 1 : (alphasCumprod[0] ?? 1),
    stepsOffset: rest.steps_offset,
    spacings: rest.timestep_spacing ? { [rest._class_name]: rest.timestep_spacing } : {},
  };
}

/** ᾱ of a whole timestep. @throws RangeError outside of the schedule */
export function alphaCumprod({ alphasCumprod }: Schedule, timestep: number): number {
  const alpha = alphasCumprod[timestep];
  if (alpha === undefined)
    throw new RangeError(`timestep ${timestep}: a whole number from 0 to ${alphasCumprod.length - 1} wanted`);
  return alpha;
}

/** The level of latents at a whole timestep. */
export function levelAt(schedule: Schedule, timestep: number): Level {
  const alpha = alphaCumprod(schedule, timestep);
  return { signal: Math.sqrt(alpha), noise: Math.sqrt(1 - alpha) };
}

/** The level one stride before a whole timestep, if it takes `steps` such to the end; before the first, the final one. */
export function levelBefore(schedule: Schedule, timestep: number, steps: number): Level {
  const stride = Math.floor(schedule.alphasCumprod.length / steps);
  if (timestep >= stride) return levelAt(schedule, timestep - stride);
  return { signal: Math.sqrt(schedule.finalAlphaCumprod), noise: Math.sqrt(1 - schedule.finalAlphaCumprod) };
}

/** σ = √((1−ᾱ) / ᾱ), linear between whole timesteps. */
export function sigmaAt(schedule: Schedule, timestep: number): number {
  const sigma = (whole: number) => {
    const alpha = alphaCumprod(schedule, whole);
    return Math.sqrt((1 - alpha) / alpha);
  };
  const below = Math.floor(timestep);
  const fraction = timestep - below;
  return fraction === 0 ? sigma(below) : sigma(below) * (1 - fraction) + sigma(below + 1) * fraction;
}

/** √ᾱ x₀ + √(1−ᾱ) ε: latents at a timestep. */
export function addNoise(
  schedule: Schedule,
  latents: Float32Array,
  noise: Float32Array,
  timestep: number,
): Float32Array<ArrayBuffer> {
  const alpha = alphaCumprod(schedule, timestep);
  return blend(Math.sqrt(alpha), latents, Math.sqrt(1 - alpha), noise);
}

/** √ᾱ ε − √(1−ᾱ) x₀: what a v-prediction model learns (arXiv 2202.00512, section 4). */
export function velocity(
  schedule: Schedule,
  latents: Float32Array,
  noise: Float32Array,
  timestep: number,
): Float32Array<ArrayBuffer> {
  const alpha = alphaCumprod(schedule, timestep);
  return blend(Math.sqrt(alpha), noise, -Math.sqrt(1 - alpha), latents);
}

/** What the model is trained to predict at a timestep: `noise`, or the velocity. */
export const target = (schedule: Schedule, latents: Float32Array, noise: Float32Array, timestep: number): Float32Array =>
  schedule.predictionType === 'epsilon' ? noise : velocity(schedule, latents, noise, timestep);

/** Signal-to-noise ratio ᾱ / (1−ᾱ) of a timestep. */
export function snr(schedule: Schedule, timestep: number): number {
  const alpha = alphaCumprod(schedule, timestep);
  return alpha / (1 - alpha);
}

/** As numpy rounds, whose timesteps models were tuned with: halves to the even neighbour. */
export function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** a x + b y, computed in float64. */
export function blend(a: number, x: Float32Array, b: number, y: Float32Array): Float32Array<ArrayBuffer> {
  if (x.length !== y.length) throw new RangeError(`${x.length} and ${y.length} numbers do not match`);
  const sum = new Float32Array(x.length);
  for (let i = 0; i < x.length; i++) sum[i] = a * (x[i] ?? 0) + b * (y[i] ?? 0);
  return sum;
}

/**
 * `steps` timesteps from noise to picture, spaced as in arXiv 2305.08891, table 2; `linspace` gives fractions.
 * @throws InputError `bad_steps`
 */
export function spacedTimesteps(
  { alphasCumprod: { length: count }, stepsOffset }: Schedule,
  spacing: Spacing,
  steps: number,
): number[] {
  if (!Number.isInteger(steps) || steps < 1 || steps > count)
    throw new InputError('bad_steps', `${steps} steps: 1 to ${count} wanted`);
  const each: Record<Spacing, (i: number) => number> = {
    leading: (i) => (steps - 1 - i) * Math.floor(count / steps) + stepsOffset,
    // A single step of numpy's linspace is its start.
    linspace: (i) => (steps === 1 ? 0 : ((count - 1) * (steps - 1 - i)) / (steps - 1)),
    trailing: (i) => roundHalfEven(count - (i * count) / steps) - 1,
  };
  const timesteps = Array.from({ length: steps }, (_, i) => each[spacing](i));
  if ((timesteps[0] ?? 0) > count - 1)
    throw new InputError('bad_steps', `${steps} steps are too many for a schedule of ${count} timesteps; fewer wanted`);
  return timesteps;
}
