import type { WriteStream } from 'node:tty';
import type { TrainerStep } from '@loraloom/trainer';

/** A line about a training that rewrites itself on a terminal; elsewhere, one for every hundredth of the way. */
export function progressLine(
  output: Pick<WriteStream, 'write' | 'isTTY'>,
): (progress: Pick<TrainerStep, 'step' | 'steps' | 'smoothLoss' | 'stepsPerSecond'>) => void {
  let printed = -1;
  return ({ step, steps, smoothLoss, stepsPerSecond: rate }) => {
    const speed = rate && (rate >= 1 ? `${rate.toFixed(1)} steps/s` : `${(1 / rate).toFixed(1)} s a step`);
    const line = [
      `step ${step}/${steps}`,
      `loss ${smoothLoss.toFixed(4)}`,
      ...(rate ? [speed, `${duration((steps - step) / rate)} left`] : []),
    ].join('  ');
    if (output.isTTY) return void output.write(`\r${line}\u001b[K`);
    const part = Math.floor((100 * step) / steps);
    if (part > printed) output.write(`${line}\n`);
    printed = part;
  };
}

/** As `1 h 05 min`, `2 min 08 s` or `45 s`. */
export function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  const two = (n: number) => `${n}`.padStart(2, '0');
  if (whole >= 3600) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
  return whole >= 60 ? `${Math.floor(whole / 60)} min ${two(whole % 60)} s` : `${whole} s`;
}
