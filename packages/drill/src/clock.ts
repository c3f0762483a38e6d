import { AsyncLocalStorage } from 'node:async_hooks';
import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers/promises';

/** How wrong the clock is of the program that this code runs for, in ms. */
const skew = new AsyncLocalStorage<number>();

/** Runs a program whose clock is wrong by so many seconds, wherever it waits and goes on. */
export const withClockWrongBy = <T>(seconds: number, program: () => T): T => skew.run(seconds * 1000, program);

let speed = 1;

/** Seconds of this process's time, which passes as it should and is nobody's clock. */
export const elapsedSeconds = (): number => (performance.now() / 1000) * speed;

/**
 * Makes time pass `factor` times as fast in this process, for `Date` and all timers of programs and of what they use: a message
 * that is hidden for half a minute is back in half a second. `performance.now()` stays true, and so do Node's own time-outs.
 */
export function accelerate(factor: number): void {
  speed = factor;
  const RealDate = Date;
  const begun = RealDate.now();
  const now = () => Math.round(begun + (RealDate.now() - begun) * factor + (skew.getStore() ?? 0));
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, given, self) => Reflect.construct(target, given.length === 0 ? [now()] : given, self),
    get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
  });

  const faster = (milliseconds: unknown) => (typeof milliseconds === 'number' ? milliseconds / factor : milliseconds);
  const second = <F extends (...given: never[]) => unknown>(timer: F): F =>
    new Proxy(timer, {
      apply: (target, self, [work, milliseconds, ...rest]) => Reflect.apply(target, self, [work, faster(milliseconds), ...rest]),
    });
  globalThis.setTimeout = second(setTimeout);
  globalThis.setInterval = second(setInterval);
  const { setTimeout: sleep } = timers;
  timers.setTimeout = new Proxy(sleep, {
    apply: (target, self, [milliseconds, ...rest]) => Reflect.apply(target, self, [faster(milliseconds), ...rest]),
  });
  syncBuiltinESMExports();
}
