import { describe, expect, it } from 'vitest';
import { clipNorm } from './clip.ts';
import { type LearningRateSchedule, learningRateFactor } from './learning-rate.ts';

describe('learning rate', () => {
  it.each<[LearningRateSchedule, number, number]>([
    // transformers' formulas at steps of 110 with 10 of warm-up, by hand
    ['constant', 0, 1],
    ['constant', 109, 1],
    ['constant_with_warmup', 0, 0],
    ['constant_with_warmup', 5, 0.5],
    ['constant_with_warmup', 60, 1],
    ['linear', 5, 0.5],
    ['linear', 10, 1],
    ['linear', 35, 0.75],
    ['linear', 110, 0],
    ['cosine', 10, 1],
    ['cosine', 35, 0.5 * (1 + Math.SQRT1_2)],
    ['cosine', 60, 0.5],
    ['cosine', 110, 0],
    ['cosine_with_restarts', 35, 0.5],
    ['cosine_with_restarts', 60, 1],
    ['cosine_with_restarts', 85, 0.5],
    ['cosine_with_restarts', 110, 0],
    ['polynomial', 60, 0.50000005],
    ['polynomial', 110, 1e-7],
  ])('%s at step %i', (schedule, step, wanted) => {
    expect(learningRateFactor(schedule, step, { steps: 110, warmup: 10, cycles: 2 })).toBeCloseTo(wanted, 12);
  });
});

describe('clipping', () => {
  it('leaves short gradients, and shortens long ones', () => {
    const [short, long] = [Float32Array.of(0.6, 0.8), Float32Array.of(6, -8)];
    expect(clipNorm(short, 2)).toBeCloseTo(1, 6);
    expect(short).toEqual(Float32Array.of(0.6, 0.8));
    expect(clipNorm(long, 2)).toBe(10);
    expect(long[0]).toBeCloseTo(1.2, 5);
    expect(long[1]).toBeCloseTo(-1.6, 5);
  });
});
