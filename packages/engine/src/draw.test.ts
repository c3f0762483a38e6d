import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawBatch, minSnrWeight } from './draw.ts';
import { openPipeline, type Pipeline } from './families/pipeline.ts';
import { openSchedule, snr } from './samplers/schedule.ts';

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
    pipeline = await openPipeline(fileURLToPath(new URL('../fixtures/sd-tiny/model', import.meta.url)));
  });
  afterAll(() => pipeline.close());
  const length = 4 * 16 * 16;
  const latents = Array.from({ length: 5 }, () => ({ mean: new Float32Array(length), deviation: new Float32Array(length) }));
  const draw = (more: object, step = 0, batchSize = 5) => drawBatch(pipeline, latents, { batchSize, seed: 1, ...more }, step);

  it('shows every example once an epoch, in another order each time', () => {
    const epochs = [0, 1, 2, 3].map((step) => draw({}, step).chosen);
    for (const epoch of epochs) expect(epoch.toSorted()).toEqual([0, 1, 2, 3, 4]);
    expect(new Set(epochs.map(String)).size).toBeGreaterThan(1);
  });

  it('leaves captions out as often as it was told', () => {
    const silent = (captionDropout: number) =>
      Array.from({ length: 80 }, (_, step) => draw({ captionDropout }, step).silent)
        .flat()
        .filter(Boolean).length / 400;
    expect([silent(0), silent(1)]).toEqual([0, 1]);
    expect(Math.abs(silent(0.25) - 0.25)).toBeLessThan(0.07);
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
