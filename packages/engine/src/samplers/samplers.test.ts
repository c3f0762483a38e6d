import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { readTensors, type StoredTensor } from '../files/safetensors.ts';
import { randomFrom } from '../random.ts';
import { type Level, type Sampler, type SamplerName, type SampleState, samplers } from './index.ts';
import { addNoise, openSchedule, type Schedule, snr, spacedTimesteps, target, velocity } from './schedule.ts';

const fixtures = fileURLToPath(new URL('../../fixtures/sd-tiny/', import.meta.url));
const names: SamplerName[] = ['ddim', 'pndm', 'euler', 'euler_a', 'dpmpp_2m', 'dpmpp_2m_karras', 'unipc', 'lcm'];
const deterministic = names.filter((name) => name !== 'euler_a' && name !== 'lcm');
const sd1 = { beta_schedule: 'scaled_linear', beta_start: 0.00085, beta_end: 0.012, set_alpha_to_one: false, steps_offset: 1 };
const normal = (seed: number, length = 64) => randomFrom(seed).fillNormal(new Float32Array(length));
const timestepsOf = ({ steps }: Sampler) => steps.map(({ timestep }) => timestep);
const largest = (a: Float32Array, b: Float32Array) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] ?? Number.NaN))), 0);

/** Runs all steps with a model that is a function of what it is shown. */
function sample(
  schedule: Schedule,
  name: SamplerName,
  count: number,
  noise: Float32Array,
  model: (input: Float32Array, timestep: number, level: Level) => Float32Array,
  picture?: Float32Array,
  strength = 1,
): SampleState {
  const sampler = samplers[name](schedule, count, strength);
  return sampler.steps.reduce<SampleState>(
    (state, { timestep, from }, i) => {
      const size = Math.hypot(from.signal, from.noise);
      const shown = sampler.input(state, i);
      const output = model(shown, timestep, { signal: from.signal / size, noise: from.noise / size });
      return sampler.step(state, output, i, () => normal(1000 + i, noise.length));
    },
    sampler.start(noise, picture),
  );
}

describe('schedule', () => {
  it("has Stable Diffusion 1's noise levels", () => {
    const schedule = openSchedule(sd1);
    // diffusers: DDIMScheduler(beta_schedule='scaled_linear', beta_start=0.00085, beta_end=0.012).alphas_cumprod
    expect(schedule.alphasCumprod[0]).toBeCloseTo(0.99915, 8);
    expect(schedule.alphasCumprod[999]).toBeCloseTo(0.0046601, 7);
    expect(Math.sqrt(1 / snr(schedule, 999))).toBeCloseTo(14.6146, 4);
  });

  it('takes linear betas and given ones', () => {
    const linear = openSchedule({ num_train_timesteps: 3, beta_start: 0.1, beta_end: 0.3 }).alphasCumprod;
    expect([...linear].map((alpha) => alpha.toFixed(12))).toEqual(
      [0.9, 0.9 * 0.8, 0.9 * 0.8 * 0.7].map((alpha) => alpha.toFixed(12)),
    );
    expect([...openSchedule({ trained_betas: [0.5, 0.5] }).alphasCumprod]).toEqual([0.5, 0.25]);
  });

  it('mixes latents and noise: variance stays 1, and the velocity is the derivative by the angle', () => {
    const schedule = openSchedule(sd1);
    const [latents, noise] = [Float32Array.of(1, 0), Float32Array.of(0, 1)];
    const [signal = 0, part = 0] = addNoise(schedule, latents, noise, 500);
    expect(signal ** 2 + part ** 2).toBeCloseTo(1, 6);
    expect(signal ** 2 / part ** 2).toBeCloseTo(snr(schedule, 500), 6);
    // x = cos φ x₀ + sin φ ε, v = dx/dφ
    expect([...velocity(schedule, latents, noise, 500)]).toEqual([-part, signal]);
    expect(target(schedule, latents, noise, 500)).toBe(noise);
    expect(target(openSchedule({ ...sd1, prediction_type: 'v_prediction' }), latents, noise, 500)).toEqual(
      Float32Array.of(-part, signal),
    );
  });

  it.each([
    // arXiv 2305.08891, table 2, counted from 0
    ['leading', 10, 0, [900, 800, 700, 600, 500, 400, 300, 200, 100, 0]],
    ['linspace', 10, 0, [999, 888, 777, 666, 555, 444, 333, 222, 111, 0]],
    ['trailing', 10, 0, [999, 899, 799, 699, 599, 499, 399, 299, 199, 99]],
    ['leading', 3, 1, [667, 334, 1]],
    ['trailing', 3, 1, [999, 666, 332]],
    ['leading', 1, 1, [1]],
    ['trailing', 1, 0, [999]],
    // numpy: np.round(np.arange(1000, 0, -1000 / 16)) - 1, halves to even
    ['trailing', 16, 0, [999, 937, 874, 811, 749, 687, 624, 561, 499, 437, 374, 311, 249, 187, 124, 61]],
  ] as const)('spaces %s over %i steps with offset %i', (spacing, steps, steps_offset, wanted) => {
    expect(spacedTimesteps(openSchedule({ steps_offset }), spacing, steps)).toEqual([...wanted]);
  });

  it.each([0, -1, 1.5, 1001, Number.NaN])('refuses %d steps', (steps) => {
    expect(() => samplers.ddim(openSchedule(sd1), steps)).toThrowError(expect.objectContaining({ code: 'bad_steps' }));
  });

  it('refuses as many steps as make a timestep that does not exist', () => {
    expect(() => samplers.ddim(openSchedule(sd1), 1000)).toThrowError(expect.objectContaining({ code: 'bad_steps' }));
    expect(timestepsOf(samplers.ddim(openSchedule({ ...sd1, steps_offset: 0 }), 1000)).at(-1)).toBe(0);
  });

  it.each([
    ['no object', 3],
    ['an unknown beta schedule', { beta_schedule: 'squaredcos_cap_v2' }],
    ['an unknown prediction', { prediction_type: 'sample' }],
    ['zero terminal SNR', { rescale_betas_zero_snr: true }],
    ['dynamic thresholding', { thresholding: true }],
    ['a beta of 2', { beta_end: 2 }],
  ])('refuses %s', (_, config) => {
    expect(() => openSchedule(config)).toThrowError(expect.objectContaining({ name: 'InputError', code: 'bad_model' }));
  });
});

describe('the golden numbers of diffusers', () => {
  let golden: Map<string, StoredTensor>;
  let schedule: Schedule;
  beforeAll(async () => {
    golden = (await readTensors(`${fixtures}golden.safetensors`, (name) => name.startsWith('sample.'))).tensors;
    schedule = openSchedule(JSON.parse(await readFile(`${fixtures}model/scheduler/scheduler_config.json`, 'utf8')));
  });

  it.each(deterministic)('%s has the same timesteps', (name) => {
    expect(timestepsOf(samplers[name](schedule, 8)).map(Math.fround)).toEqual([
      ...(golden.get(`sample.${name}.timesteps`)?.data ?? []),
    ]);
  });
});

describe.each(names)('%s', (name) => {
  const oneAtTheEnd = { ...sd1, set_alpha_to_one: true };

  it.each([1, 7, 50])('recovers the picture in %i steps from a model that knows it', (count) => {
    const schedule = openSchedule(oneAtTheEnd);
    const picture = normal(1);
    const model = (input: Float32Array, _: number, { signal, noise }: Level) =>
      input.map((value, i) => (value - signal * (picture[i] ?? 0)) / noise);
    expect(largest(sample(schedule, name, count, normal(2), model).latents, picture)).toBeLessThan(1e-4);
  });

  it.each([0.5, 0.1])('starts from a picture under noise, at a strength of %d', (strength) => {
    const schedule = openSchedule(oneAtTheEnd);
    const [picture, noise] = [normal(1), normal(2)];
    const sampler = samplers[name](schedule, 20, strength);
    const { timestep, from } = sampler.steps[0] ?? { timestep: -1, from: { signal: 0, noise: 0 } };
    // The part of the noise levels that it skips
    expect(timestep / 1000).toBeGreaterThan(name.endsWith('karras') ? 0 : strength - 0.15);
    expect(timestep / 1000).toBeLessThan(strength + 0.1);
    const mixture = picture.map((value, i) => from.signal * value + from.noise * (noise[i] ?? 0));
    expect(largest(sampler.start(noise, picture).latents, mixture)).toBeLessThan(1e-6);
    expect(sampler.steps.length).toBe(Math.floor(20 * strength) + (name === 'pndm' ? 1 : 0));
    // A model that sees the noise which was added takes it away again
    const model = (input: Float32Array, _: number, level: Level) =>
      input.map((value, i) => (value - level.signal * (picture[i] ?? 0)) / level.noise);
    expect(largest(sample(schedule, name, 20, noise, model, picture, strength).latents, picture)).toBeLessThan(1e-4);
  });

  it('gives the same picture from velocities as from noise', () => {
    const direction = normal(4);
    // Some model of the noise, and the same model told as velocity: v = (ε − √(1−ᾱ) x) / √ᾱ
    const noiseModel = (input: Float32Array, t: number) =>
      input.map((value, i) => Math.tanh(value + (direction[i] ?? 0) * (t / 1000)));
    const velocityModel = (input: Float32Array, t: number, { signal, noise }: Level) => {
      const predicted = noiseModel(input, t);
      return input.map((value, i) => ((predicted[i] ?? 0) - noise * value) / signal);
    };
    const v = openSchedule({ ...sd1, prediction_type: 'v_prediction' });
    const fromNoise = sample(openSchedule(sd1), name, 12, normal(3), noiseModel).latents;
    const fromVelocity = sample(v, name, 12, normal(3), velocityModel).latents;
    expect(fromNoise.every(Number.isFinite)).toBe(true);
    expect(largest(fromNoise, fromVelocity)).toBeLessThan(1e-3);
  });

  it('changes nothing that it was given', () => {
    const sampler = samplers[name](openSchedule(sd1), 4);
    const [noise, output] = [normal(6), normal(7)];
    const state = sampler.start(noise);
    const latents = state.latents.slice();
    const fresh = () => normal(8);
    sampler.input(state, 1);
    sampler.step(state, output, 1, fresh);
    expect([state.latents, noise, output]).toEqual([latents, normal(6), normal(7)]);
    expect(() => sampler.step(state, output, 5, fresh)).toThrowError(RangeError);
    expect(() => sampler.step(state, output.subarray(1), 0, fresh)).toThrowError(RangeError);
  });

  it.each([0, 1.5, 1001])('refuses %d steps', (count) => {
    expect(() => samplers[name](openSchedule(sd1), count)).toThrowError(expect.objectContaining({ code: 'bad_steps' }));
  });
});

/*
 * If pictures are normal with standard deviation d, the best noise model is √(1−ᾱ) x / (ᾱ d² + 1 − ᾱ), and the probability-flow
 * ODE maps noise to noise · d (Song et al., arXiv 2011.13456; exact for many steps, up to what is left of the picture at the start).
 */
describe('with the best model of normally distributed pictures', () => {
  const d = 0.4;
  const schedule = openSchedule({ ...sd1, set_alpha_to_one: true });
  const model = (input: Float32Array, _: number, { signal, noise }: Level) =>
    input.map((value) => (noise * value) / (signal ** 2 * d ** 2 + noise ** 2));
  const error = (name: SamplerName, count: number) =>
    largest(
      sample(schedule, name, count, normal(5), model).latents,
      normal(5).map((value) => value * d),
    );

  it.each(deterministic)('%s turns noise into pictures as the probability-flow ODE does', (name) => {
    expect(error(name, 400)).toBeLessThan(0.02);
  });

  it('euler_a draws from the distribution, with noise of its own', () => {
    const start = normal(9, 8192);
    const { latents } = sample(schedule, 'euler_a', 400, start, model);
    const deviation = Math.sqrt(latents.reduce((sum, value) => sum + value ** 2, 0) / latents.length);
    expect(Math.abs(deviation / d - 1)).toBeLessThan(0.03);
    const correlation = latents.reduce((sum, value, i) => sum + value * (start[i] ?? 0), 0) / (latents.length * deviation);
    // What it draws depends little on what it began with; of the ODE's result this would be 1.
    expect(Math.abs(correlation)).toBeLessThan(0.2);
  });

  it('lcm draws from the distribution, in as few steps as there are, with the ODE’s own map as its model', () => {
    // f(x, t) = x d / √(ᾱ d² + 1 − ᾱ), told as noise
    const consistency = (input: Float32Array, _: number, { signal, noise }: Level) => {
      const slope = d / Math.sqrt(signal ** 2 * d ** 2 + noise ** 2);
      return input.map((value) => (value - signal * slope * value) / noise);
    };
    for (const count of [1, 4, 8]) {
      const { latents } = sample(schedule, 'lcm', count, normal(9, 8192), consistency);
      const deviation = Math.sqrt(latents.reduce((sum, value) => sum + value ** 2, 0) / latents.length);
      expect(Math.abs(deviation / d - 1)).toBeLessThan(0.03);
    }
  });
});

describe('lcm', () => {
  it('has the timesteps that its models are used with', () => {
    // LCMScheduler's, as the model cards of latent consistency models show them for 4 and 8 steps
    expect(timestepsOf(samplers.lcm(openSchedule(sd1), 4))).toEqual([999, 759, 499, 259]);
    expect(timestepsOf(samplers.lcm(openSchedule(sd1), 8))).toEqual([999, 879, 759, 639, 499, 379, 259, 139]);
  });
});

describe('euler', () => {
  it("starts from diffusers' init_noise_sigma", () => {
    expect(samplers.euler(openSchedule(sd1), 20).initialScale).toBeCloseTo(14.6146, 4);
    // EulerDiscreteScheduler of Stable Diffusion XL: leading, offset 1, √(σ² + 1)
    const leading = samplers.euler(
      openSchedule({ ...sd1, _class_name: 'EulerDiscreteScheduler', timestep_spacing: 'leading' }),
      30,
    );
    expect(leading.steps[0]?.timestep).toBe(958);
    const sigma = Math.sqrt(1 / snr(openSchedule(sd1), 958));
    expect(leading.initialScale).toBeCloseTo(Math.sqrt(sigma ** 2 + 1), 10);
  });

  it('keeps its own spacing on a folder that another sampler came with', () => {
    const schedule = openSchedule({ ...sd1, _class_name: 'PNDMScheduler', timestep_spacing: 'leading' });
    expect(timestepsOf(samplers.euler(schedule, 4))).toEqual([999, 666, 333, 0]);
  });
});
