import { AsyncLocalStorage } from 'node:async_hooks';
import { ServerResponse } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { performance } from 'node:perf_hooks';
import timers from 'node:timers/promises';

/*
 * The drill's time. It stands still while anything is being done, and hurries on when all wait: so an hour of waiting takes a
 * second, and a slow machine makes nobody late.
 */

interface Timer {
  due: number;
  /** Breaks ties. */
  order: number;
  fire(): void;
}

/** How wrong the clock is of the program that this code runs for, in ms. */
const skew = new AsyncLocalStorage<number>();
const waiting = new Set<Timer>();
let order = 0;
/** Milliseconds since 1970. */
let now = Date.now();
let elsewhere = 0;

/** Runs a program whose clock is wrong by so many seconds, wherever it waits and goes on. */
export const withClockWrongBy = <T>(seconds: number, program: () => T): T => skew.run(seconds * 1000, program);

/** Seconds since 1970 by nobody's clock. */
export const trueSeconds = (): number => now / 1000;

/** Time stands still until this is done, for work that Node does not know of. */
export async function untilDone<T>(work: Promise<T>): Promise<T> {
  elsewhere++;
  try {
    return await work;
  } finally {
    elsewhere--;
  }
}

/** What a timer function gives back: it can be cleared, and has the methods that libraries call. */
function schedule(work: () => void, milliseconds: unknown, every: boolean): object {
  const pause = typeof milliseconds === 'number' && milliseconds >= 1 ? milliseconds : 1;
  // As with Node's own timers, work belongs to the program that asked for it.
  const inContext = AsyncLocalStorage.bind(work);
  const timer = {
    due: now + pause,
    order: order++,
    fire() {
      if (every) this.refresh();
      else waiting.delete(timer);
      inContext();
    },
    refresh() {
      this.due = now + pause;
      waiting.add(timer);
      return this;
    },
    ref: () => timer,
    unref: () => timer,
    hasRef: () => true,
    close: () => waiting.delete(timer),
  };
  waiting.add(timer);
  return timer;
}

const clear = <F extends (...given: never[]) => unknown>(real: F): F =>
  new Proxy(real, { apply: (target, self, given) => waiting.delete(given[0]) || Reflect.apply(target, self, given) });

/** From now on `Date` and the timers of this process go by the drill's time. `performance.now()` stays true, as do Node's own time-outs. */
export function takeOverTime(): void {
  const timeHere = () => Math.round(now + (skew.getStore() ?? 0));
  globalThis.Date = new Proxy(Date, {
    construct: (target, given, self) => Reflect.construct(target, given.length === 0 ? [timeHere()] : given, self),
    get: (target, name) => (name === 'now' ? timeHere : Reflect.get(target, name)),
  });
  // Servers tell the time, too, and clients set their clocks by it.
  ServerResponse.prototype.writeHead = new Proxy(ServerResponse.prototype.writeHead, {
    apply(target, response: ServerResponse, given) {
      response.setHeader('date', new Date().toUTCString());
      return Reflect.apply(target, response, given);
    },
  });

  const { setTimeout: realTimeout } = globalThis;
  const { setTimeout: realSleep } = timers;
  globalThis.setTimeout = new Proxy(setTimeout, {
    apply: (_, __, [work, milliseconds, ...rest]) => schedule(() => work(...rest), milliseconds, false),
  });
  globalThis.setInterval = new Proxy(setInterval, {
    apply: (_, __, [work, milliseconds, ...rest]) => schedule(() => work(...rest), milliseconds, true),
  });
  globalThis.clearTimeout = clear(clearTimeout);
  globalThis.clearInterval = clear(clearInterval);
  timers.setTimeout = new Proxy(realSleep, {
    apply: (_, __, [milliseconds, value, { signal } = {}]) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const stop = () => {
          clearTimeout(timer);
          reject(signal.reason);
        };
        const timer = setTimeout(() => {
          signal?.removeEventListener('abort', stop);
          resolve(value);
        }, milliseconds);
        signal?.addEventListener('abort', stop, { once: true });
      }),
  });
  syncBuiltinESMExports();
  void pass((milliseconds) => new Promise((resolve) => realTimeout(resolve, milliseconds)));
}

/** At most so much is skipped at once, ms: should something have been under way after all, it is not late by more. */
const longestSkip = 500;

async function pass(rest: (milliseconds: number) => Promise<void>): Promise<never> {
  for (;;) {
    await untilNothingHappens(rest);
    let next: Timer | undefined;
    for (const timer of waiting)
      if (!next || timer.due < next.due || (timer.due === next.due && timer.order < next.order)) next = timer;
    now = Math.max(now, Math.min(next?.due ?? Number.POSITIVE_INFINITY, now + longestSkip));
    if (next && next.due <= now) next.fire();
  }
}

/** Resolves when nothing is under way, not even after a millisecond in which threads and the network had their turn. */
async function untilNothingHappens(rest: (milliseconds: number) => Promise<void>): Promise<void> {
  await untilQuiet(rest);
  await rest(1);
  // To wake up is an event, too.
  await timers.setImmediate();
  await untilQuiet(rest);
}

/** Resolves when no event has come for a few rounds of the event loop, and no file is being read or written. */
async function untilQuiet(rest: (milliseconds: number) => Promise<void>): Promise<void> {
  const began = performance.now();
  let seen = -1;
  for (let quiet = 0; quiet < 3; quiet++) {
    await timers.setImmediate();
    const { events } = performance.nodeTiming.uvMetricsInfo;
    const still = events === seen;
    // The list of all that is open is long: it is looked at only when that is what matters.
    const busy = still && (elsewhere > 0 || process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq')));
    // Whatever hangs for ten real seconds is not waited for.
    if ((still && !busy) || performance.now() - began > 10_000) continue;
    seen = events;
    quiet = -1;
    if (busy) await rest(1);
  }
}
