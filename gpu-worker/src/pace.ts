/** How fast a worker ends jobs while it has some. */
export interface Pace {
  /** A job was begun. */
  begun(): void;
  /** A job ended. @returns jobs a second, over the last minute or since the worker became busy; undefined if there is nothing new to tell yet */
  ended(): number | undefined;
}

const windowMilliseconds = 60_000;
/** Telling costs a write. */
const pauseMilliseconds = 10_000;

/** @param now milliseconds of a clock that does not go back */
export function newPace(now: () => number = () => performance.now()): Pace {
  let running = 0;
  let busySince = 0;
  let told = Number.NEGATIVE_INFINITY;
  let ends: number[] = [];
  return {
    begun() {
      if (running++ > 0) return;
      busySince = now();
      ends = [];
    },
    ended() {
      running--;
      const time = now();
      ends = [...ends.filter((end) => time - end < windowMilliseconds), time];
      if (time - told < pauseMilliseconds) return undefined;
      told = time;
      return (1000 * ends.length) / Math.max(1, Math.min(windowMilliseconds, time - busySince));
    },
  };
}
