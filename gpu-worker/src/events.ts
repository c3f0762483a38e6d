import type { Bucket, TrainingEvent } from '@loraloom/jobs';

/** Parts are written at most so often, and in a long training more seldom: some hundreds of objects tell of a day. */
const pauseSeconds = 1;
const pausePart = 1 / 100;

/** What an event says beside its time. */
type Told<T> = T extends unknown ? Omit<T, 'at'> : never;

/** Writes events to numbered parts. Nothing depends on them: one that cannot be written is tried again with the next. */
export interface Events {
  add(event: Told<TrainingEvent>): void;
  /** Writes what has come together, if it is time, or `now` in any case. */
  flush(now?: boolean): Promise<void>;
}

/** @param keyOf the key of a part, which are numbered from 0 */
export function openEvents(
  bucket: Bucket,
  keyOf: (part: number) => string,
  { clock = Date.now, failed }: { clock?: () => number; failed: (error: unknown) => void },
): Events {
  const begun = clock();
  let [written, part] = [begun, 0];
  let lines: string[] = [];
  return {
    add(event) {
      lines.push(`${JSON.stringify({ ...event, at: new Date(clock()).toISOString() })}\n`);
    },
    async flush(now = false) {
      const time = clock();
      const pause = Math.max(1000 * pauseSeconds, pausePart * (time - begun));
      if (lines.length === 0 || (!now && time - written < pause)) return;
      const telling = lines;
      lines = [];
      written = time;
      const bytes = new TextEncoder().encode(telling.join(''));
      await bucket.put(keyOf(part), bytes, { contentType: 'application/x-ndjson' }).then(
        () => part++,
        (error) => {
          lines = [...telling, ...lines];
          failed(error);
        },
      );
    },
  };
}
