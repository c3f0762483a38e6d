import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { readTensors, type StoredTensor } from '../files/safetensors.ts';
import { randomFrom } from '../random.ts';
import { type SamplerName, type SampleState, samplers } from './index.ts';
import { addNoise, openSchedule, type Schedule, snr, spacedTimesteps, target, velocity } from './schedule.ts';

const fixtures = fileURLToPath(new URL('../../fixtures/sd-tiny/', import.meta.url));
const names: SamplerName[] = ['ddim', 'euler'];
const sd1 = { beta_schedule: 'scaled_linear', beta_start: 0.00085, beta_end: 0.012, set_alpha_to_one: false, steps_offset: 1 };
const normal = (seed: number) => randomFrom(seed).fillNormal(new Float32Array(64));
const largest = (a: Float32Array, b: Float32Array) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] ?? Number.NaN))), 0);

/** Runs all steps with a model that is a function of what it is shown. */
function sample(
  schedule: Schedule,
  name: SamplerName,
  steps: number,
  noise: Float32Array,
  model: (input: Float32Array, timestep: number) => Float32Array,
): SampleState {
  const sampler = samplers[name](schedule, steps);
  return sampler.timesteps.reduce<SampleState>(
    (state, timestep, i) => sampler.step(state, model(sampler.input(state, i), timestep), i),
    sampler.start(noise),
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
  ] as const)('spaces %s over %i steps with offset %i', (spacing, steps, steps_offset, wanted) => {
    expect(spacedTimesteps(openSchedule({ steps_offset }), spacing, steps)).toEqual([...wanted]);
  });

  it.each([0, -1, 1.5, 1001, Number.NaN])('refuses %d steps', (steps) => {
    expect(() => samplers.ddim(openSchedule(sd1), steps)).toThrowError(expect.objectContaining({ code: 'bad_steps' }));
  });

  it('refuses as many steps as make a timestep that does not exist', () => {
    expect(() => samplers.ddim(openSchedule(sd1), 1000)).toThrowError(expect.objectContaining({ code: 'bad_steps' }));
    expect(samplers.ddim(openSchedule({ ...sd1, steps_offset: 0 }), 1000).timesteps.at(-1)).toBe(0);
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

  it.each(names)('%s has the same timesteps', (name) => {
    expect(samplers[name](schedule, 8).timesteps.map(Math.fround)).toEqual([
      ...(golden.get(`sample.${name}.timesteps`)?.data ?? []),
    ]);
  });
});

describe.each(names)('%s', (name) => {
  const oneAtTheEnd = { ...sd1, set_alpha_to_one: true };

  it.each([1, 7, 50])('recovers the picture in %i steps from a model that knows the noise', (steps) => {
    const schedule = openSchedule(oneAtTheEnd);
    const sampler = samplers[name](schedule, steps);
    const [picture, noise] = [normal(1), normal(2)];
    // The first state that holds exactly this picture and this noise
    const t = sampler.timesteps[0] ?? 0;
    const alpha = schedule.alphasCumprod[t] ?? 0;
    const mixed = addNoise(schedule, picture, noise, t);
    const latents = name === 'euler' ? mixed.map((value) => value / Math.sqrt(alpha)) : mixed;
    const shown = sampler.input({ latents, history: [] }, 0);
    expect(largest(shown, mixed)).toBeLessThan(1e-5);
    const end = sampler.timesteps.reduce<SampleState>((state, _, i) => sampler.step(state, noise, i), { latents, history: [] });
    expect(largest(end.latents, picture)).toBeLessThan(1e-4);
  });

  it('gives the same picture from velocities as from noise', () => {
    const epsilon = openSchedule(sd1);
    const v = openSchedule({ ...sd1, prediction_type: 'v_prediction' });
    const direction = normal(4);
    // Some model of the noise, and the same model told as velocity: v = (ε − √(1−ᾱ) x) / √ᾱ
    const noiseModel = (input: Float32Array, t: number) =>
      input.map((value, i) => Math.tanh(value + (direction[i] ?? 0) * (t / 1000)));
    const velocityModel = (input: Float32Array, t: number) => {
      const noise = noiseModel(input, t);
      // The level that the sampler is at; between whole timesteps Euler's σ is linear
      const sigma = (whole: number) => Math.sqrt(1 / snr(epsilon, Math.min(whole, 999)));
      const level = sigma(Math.floor(t)) * (1 - (t % 1)) + sigma(Math.floor(t) + 1) * (t % 1);
      const alpha = 1 / (1 + level ** 2);
      return input.map((value, i) => ((noise[i] ?? 0) - Math.sqrt(1 - alpha) * value) / Math.sqrt(alpha));
    };
    const fromNoise = sample(epsilon, name, 12, normal(3), noiseModel).latents;
    const fromVelocity = sample(v, name, 12, normal(3), velocityModel).latents;
    expect(fromNoise.every(Number.isFinite)).toBe(true);
    expect(largest(fromNoise, fromVelocity)).toBeLessThan(1e-3);
  });

  it('turns noise into the data distribution as the probability-flow ODE does', () => {
    // If pictures are normal with standard deviation d, the best noise model is √(1−ᾱ) x / (ᾱ d² + 1 − ᾱ), and the ODE
    // maps noise to noise · d (Song et al., arXiv 2011.13456; exact for many steps, up to what is left of the picture at the start).
    const d = 0.4;
    const schedule = openSchedule(oneAtTheEnd);
    const model = (input: Float32Array, t: number) => {
      const alpha = 1 / (1 + 1 / snr(schedule, Math.round(t)));
      return input.map((value) => (Math.sqrt(1 - alpha) * value) / (alpha * d ** 2 + 1 - alpha));
    };
    const noise = normal(5);
    const { latents } = sample(schedule, name, 500, noise, model);
    expect(
      largest(
        latents,
        noise.map((value) => value * d),
      ),
    ).toBeLessThan(0.02);
  });

  it('changes nothing that it was given', () => {
    const sampler = samplers[name](openSchedule(sd1), 4);
    const [noise, output] = [normal(6), normal(7)];
    const state = sampler.start(noise);
    const latents = state.latents.slice();
    sampler.input(state, 1);
    sampler.step(state, output, 1);
    expect([state.latents, noise, output]).toEqual([latents, normal(6), normal(7)]);
    expect(() => sampler.step(state, output, 4)).toThrowError(RangeError);
    expect(() => sampler.step(state, output.subarray(1), 0)).toThrowError(RangeError);
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
    expect(leading.timesteps[0]).toBe(958);
    const sigma = Math.sqrt(1 / snr(openSchedule(sd1), 958));
    expect(leading.initialScale).toBeCloseTo(Math.sqrt(sigma ** 2 + 1), 10);
  });

  it('keeps its own spacing on a folder that another sampler came with', () => {
    const schedule = openSchedule({ ...sd1, _class_name: 'PNDMScheduler', timestep_spacing: 'leading' });
    expect(samplers.euler(schedule, 4).timesteps).toEqual([999, 666, 333, 0]);
  });
});
