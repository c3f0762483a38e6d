/** How the learning rate goes over a training, by the names that diffusers and kohya use. */
export const learningRateSchedules = {
  constant: () => 1,
  constant_with_warmup: () => 1,
  linear: (progress) => 1 - progress,
  cosine: (progress) => 0.5 * (1 + Math.cos(Math.PI * progress)),
  cosine_with_restarts: (progress, cycles) => (progress >= 1 ? 0 : 0.5 * (1 + Math.cos(Math.PI * ((cycles * progress) % 1)))),
  // Power 1 to 1e-7 of a rate of 1, transformers' defaults, is a line but for its end.
  polynomial: (progress) => 1e-7 + (1 - 1e-7) * (1 - progress),
} satisfies Record<string, (progress: number, cycles: number) => number>;

export type LearningRateSchedule = keyof typeof learningRateSchedules;

/**
 * What the learning rate is multiplied by at a step (counted from 0), as transformers' `get_scheduler` has it: rising in a line
 * over the first `warmup` steps, then as the schedule says over the others. `constant` alone knows no warm-up.
 * @param cycles of `cosine_with_restarts`
 */
export function learningRateFactor(
  schedule: LearningRateSchedule,
  step: number,
  { steps, warmup = 0, cycles = 1 }: { steps: number; warmup?: number; cycles?: number },
): number {
  if (schedule === 'constant') return 1;
  if (step < warmup) return step / warmup;
  return learningRateSchedules[schedule](Math.min(1, (step - warmup) / Math.max(1, steps - warmup)), cycles);
}
