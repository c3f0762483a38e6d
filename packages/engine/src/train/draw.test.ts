import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPipeline, type Pipeline } from '../families/pipeline.ts';
import { openSchedule, snr } from '../samplers/schedule.ts';
import { drawBatch, minSnrWeight } from './draw.ts';

const sd1 = { beta_schedule: 'scaled_linear', beta_start: 0.00085, beta_end: 0.012 };

describe('min-SNR weights', () => {
  it('of noise: 1 where there is more noise than γ, γ / SNR where less', () => {
    const schedule = openSchedule(sd1);
    expect(minSnrWeight(schedule, 900, 5)).toBe(1);
    // ᾱ of timestep 0 is 1 − 0.00085, so its signal-to-noise ratio 0.99915 / 0.00085
    expect(minSnrWeight(schedule, 0, 5)).toBeCloseTo((5 * 0.00085) / 0.99915, 10);
  });

  it('of velocity: as of noise, by SNR + 1', () => {
    const schedule = openSchedule({ ...sd1, prediction_type: 'v_prediction' });
    for (const timestep of [0, 300, 900]) {
      const ratio = snr(schedule, timestep);
      expect(minSnrWeight(schedule, timestep, 5)).toBeCloseTo(Math.min(ratio, 5) / (ratio + 1), 12);
    }
  });
});

describe('a batch', () => {
  let pipeline: Pipeline;
  beforeAll(async () => {
    pipeline = await openPipeline(fileURLToPath(new URL('../../fixtures/sd-tiny/model', import.meta.url)));
  });
  afterAll(() => pipeline.close());
  const length = 4 * 16 * 16;
  const zeros = { mean: new Float32Array(length), deviation: new Float32Array(length) };
  const examples = Array.from({ length: 5 }, (_, i) => ({
    height: 16,
    width: 16,
    latents: zeros,
    frame: {},
    caption: `a, b, c${i}, d, e, f`,
    weight: i === 4 ? 0.5 : 1,
    repeats: 1,
  }));
  const draw = (more: object, batch = 0) => drawBatch(pipeline, examples, { seed: 1, ...more }, batch);

  it('leaves captions out as often as it was told', () => {
    const silent = (captionDropout: number) =>
      Array.from({ length: 80 }, (_, batch) => draw({ captionDropout }, batch).captions)
        .flat()
        .filter((caption) => caption === '').length / 400;
    expect([silent(0), silent(1)]).toEqual([0, 1]);
    expect(Math.abs(silent(0.25) - 0.25)).toBeLessThan(0.07);
  });

  it('shuffles the tags behind those that are kept, anew each time', () => {
    const drawn = Array.from({ length: 40 }, (_, batch) => draw({ shuffleTags: true, keptTags: 2 }, batch).captions).flat();
    expect(new Set(drawn.map((caption) => caption.split(', ').toSorted().join())).size).toBe(5);
    for (const caption of drawn) expect(caption).toMatch(/^a, b, /);
    // Each of the loose four stands in each place about as often.
    for (const place of [2, 3, 4, 5])
      for (const tag of ['d', 'e', 'f'])
        expect(drawn.filter((caption) => caption.split(', ')[place] === tag).length).toBeGreaterThan(25);
    expect(draw({ shuffleTags: true, keptTags: 9 }).captions).toEqual(examples.map(({ caption }) => caption));
  });

  it('weighs each picture', () => {
    const { timesteps, weight } = draw({ minSnrGamma: 5 }).inputs;
    const wanted = [...timesteps.data].map((timestep, i) => minSnrWeight(pipeline.schedule, timestep, 5) * (i === 4 ? 0.5 : 1));
    for (const [i, value] of wanted.entries()) expect(weight.data[i]).toBeCloseTo(value, 6);
  });

  it('shows mirror images half of the time', () => {
    const ones = { mean: new Float32Array(length).fill(1), deviation: new Float32Array(length) };
    const mirrored = examples.map((example) => ({ ...example, mirrored: ones }));
    // What is not noise in the sample is the picture: nothing, or its mirror image, all ones.
    const { schedule, model } = pipeline;
    const shown = Array.from({ length: 80 }, (_, batch) => {
      const { sample, target, timesteps } = drawBatch(pipeline, mirrored, { seed: 1 }, batch).inputs;
      return [...timesteps.data].map((timestep, i) => {
        const alpha = schedule.alphasCumprod[timestep] ?? 0;
        const rest = (sample.data[i * length] ?? 0) - Math.sqrt(1 - alpha) * (target.data[i * length] ?? 0);
        return rest / Math.sqrt(alpha) / model.vae.scaling_factor;
      });
    }).flat();
    for (const value of shown) expect(Math.min(Math.abs(value), Math.abs(value - 1))).toBeLessThan(1e-3);
    expect(Math.abs(shown.filter((value) => value > 0.5).length / 400 - 0.5)).toBeLessThan(0.08);
  });

  it('shifts each channel of the noise by its own offset, and nothing else', () => {
    // What is to be predicted is the noise.
    const [plain, shifted] = [draw({}).inputs, draw({ noiseOffset: 0.5 }).inputs];
    expect(shifted.timesteps).toEqual(plain.timesteps);
    const shifts = Array.from({ length: 20 }, (_, channel) => {
      const differences = shifted.target.data
        .subarray(256 * channel, 256 * (channel + 1))
        .map((value, i) => value - (plain.target.data[256 * channel + i] ?? 0));
      expect(Math.max(...differences) - Math.min(...differences)).toBeLessThan(1e-5);
      return differences[0] ?? 0;
    });
    const deviation = Math.hypot(...shifts) / Math.sqrt(20);
    expect(deviation).toBeGreaterThan(0.3);
    expect(deviation).toBeLessThan(0.75);
    expect(new Set(shifts).size).toBe(20);
  });
});
