import { setTimeout as sleep } from 'node:timers/promises';
import type { Queue } from '@loraloom/jobs';

/** Hides a message while it is worked on; that of a process which died comes back after so many seconds. */
const visibilitySeconds = 300;

/**
 * Hands a queue's messages to `handle`, some at a time, as Lambda does in the cloud. One that fails comes again after a pause.
 * @returns ends it, once what was begun is done
 */
export function startConsumer(
  queue: Queue,
  handle: (body: string) => Promise<void>,
  log: (line: Record<string, unknown>) => void,
  { atOnce = 4, retrySeconds = 5 } = {},
): () => Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  const loop = async () => {
    while (!signal.aborted) {
      try {
        for (const { body, receipt } of await queue.receive({ waitSeconds: 20, visibilitySeconds, signal })) {
          try {
            await handle(body);
            await queue.delete(receipt);
          } catch (error) {
            log({ level: 'error', message: 'message left to be tried again', error: String(error) });
            await queue.extend(receipt, retrySeconds);
          }
        }
      } catch (error) {
        if (signal.aborted) return;
        log({ level: 'error', message: 'queue out of reach', error: String(error) });
        await sleep(2000, undefined, { signal }).catch(() => undefined);
      }
    }
  };
  const loops = Array.from({ length: atOnce }, loop);
  return async () => {
    stop.abort();
    await Promise.all(loops);
  };
}
