import { type CallOptions, sleep } from './connection.ts';

export interface FollowOptions extends CallOptions {
  /** Seconds between two looks: the first pause, and the longest one that they grow to. Default 0.25 and 3. */
  firstPauseSeconds?: number;
  longestPauseSeconds?: number;
}

export interface WaitOptions<T> extends FollowOptions {
  /** Gets the record whenever it has changed, as it was first and as it is last. */
  onProgress?: (record: T) => void;
}

/** Whatever has an end. */
interface Running {
  status: string;
}

const ends = ['succeeded', 'failed', 'canceled'];

/** True once nothing about it can change any more. */
export function hasEnded({ status }: Running): boolean {
  return ends.includes(status);
}

/**
 * Yields a record whenever it has changed, the final one last, and returns that one too. Looks often at first, then less often.
 * @param look gets the record anew, given the last one
 * @param stateOf what of it has to differ to be a change; presigned URLs in it are other ones every time
 */
export async function* follow<T extends Running>(
  first: T,
  look: (latest: T) => Promise<T>,
  stateOf: (record: T) => unknown,
  { signal, firstPauseSeconds = 0.25, longestPauseSeconds = 3 }: FollowOptions,
): AsyncGenerator<T, T, void> {
  let pause = firstPauseSeconds;
  let latest = first;
  let seen = '';
  for (;;) {
    const state = JSON.stringify(stateOf(latest));
    if (state !== seen) yield latest;
    if (hasEnded(latest)) return latest;
    // After a change the next one may be near: look soon again, but not as soon as at first.
    pause = state === seen ? Math.min(pause * 1.5, longestPauseSeconds) : Math.min(firstPauseSeconds * 2, pause);
    seen = state;
    await sleep(pause, signal);
    latest = await look(latest);
  }
}

/** The last of what is followed. */
export async function finish<T>(records: AsyncGenerator<T, T, void>, onProgress?: (record: T) => void): Promise<T> {
  for (;;) {
    const { done, value } = await records.next();
    if (done) return value;
    onProgress?.(value);
  }
}
