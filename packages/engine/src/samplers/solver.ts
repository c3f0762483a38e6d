import { InputError } from '../error.ts';
import { at, type Level, lastPart, type Step } from './sampler.ts';
import { roundHalfEven, type Schedule, type Spacing, sigmaAt } from './schedule.ts';

/** The level of variance 1 whose noise is σ times its signal. */
export const levelOf = (sigma: number): Level => {
  const signal = 1 / Math.hypot(sigma, 1);
  return { signal, noise: sigma * signal };
};

/** The steps of a multistep solver, from noise to none, at the timesteps that diffusers' solvers choose. */
export function solverSteps(schedule: Schedule, spacing: Spacing, count: number, strength: number): Step[] {
  const timesteps = solverTimesteps(schedule, spacing, count);
  return lastPart(
    stepsOf(
      timesteps,
      timesteps.map((timestep) => sigmaAt(schedule, timestep)),
    ),
    strength,
  );
}

/** As `solverSteps`, at noise levels spaced as in arXiv 2206.00364, eq. 5, with ρ = 7. */
export function karrasSteps(schedule: Schedule, count: number, strength: number): Step[] {
  const last = schedule.alphasCumprod.length - 1;
  checkCount(count, last);
  const [high, low] = [sigmaAt(schedule, last) ** (1 / 7), sigmaAt(schedule, 0) ** (1 / 7)];
  const sigmas = Array.from({ length: count }, (_, i) => (high + (i / Math.max(1, count - 1)) * (low - high)) ** 7);
  return lastPart(
    stepsOf(
      sigmas.map((sigma) => roundHalfEven(timestepOf(schedule, sigma))),
      sigmas,
    ),
    strength,
  );
}

const stepsOf = (timesteps: readonly number[], sigmas: readonly number[]): Step[] =>
  timesteps.map((timestep, i) => ({
    timestep,
    from: levelOf(at(sigmas, i)),
    to: i === timesteps.length - 1 ? levelOf(0) : levelOf(at(sigmas, i + 1)),
  }));

/** One timestep more than asked for, without the last, since solvers go on to no noise at all; rounded as numpy does. */
function solverTimesteps({ alphasCumprod: { length }, stepsOffset }: Schedule, spacing: Spacing, count: number): number[] {
  checkCount(count, length - 1);
  const each: Record<Spacing, (i: number) => number> = {
    linspace: (i) => ((length - 1) * (count - i)) / count,
    leading: (i) => (count - i) * Math.floor(length / (count + 1)) + stepsOffset,
    trailing: (i) => length - (i * length) / count,
  };
  return Array.from({ length: count }, (_, i) => roundHalfEven(each[spacing](i)) - (spacing === 'trailing' ? 1 : 0));
}

function checkCount(count: number, most: number): void {
  if (!Number.isInteger(count) || count < 1 || count > most)
    throw new InputError('bad_steps', `${count} steps: 1 to ${most} wanted`);
}

/** The timestep at which noise is σ times the signal, log σ being linear between whole timesteps. */
function timestepOf(schedule: Schedule, sigma: number): number {
  const last = schedule.alphasCumprod.length - 1;
  let below = 0;
  while (below < last - 1 && sigmaAt(schedule, below + 1) <= sigma) below++;
  const [low, high] = [Math.log(sigmaAt(schedule, below)), Math.log(sigmaAt(schedule, below + 1))];
  return below + Math.min(1, Math.max(0, (Math.log(sigma) - low) / (high - low)));
}
