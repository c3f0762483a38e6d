import { setTimeout as sleep } from 'node:timers/promises';
import { buryJob, type Queue } from '@loraloom/jobs';
import type { Services } from './services.ts';

/** Ends the jobs whose messages were given up on after too many attempts, until `stop` aborts; in the cloud a function does. */
export async function buryDead({ bucket, log }: Pick<Services, 'bucket' | 'log'>, dead: Queue, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    try {
      for (const { body, receipt } of await dead.receive({ waitSeconds: 20, signal: stop })) {
        const message = await buryJob(bucket, body);
        log({ level: 'error', message: 'dead letter', ...(message ?? { body: body.slice(0, 200) }) });
        await dead.delete(receipt);
      }
    } catch (error) {
      if (stop.aborted) return;
      log({ level: 'error', message: 'dead letter not handled', error: String(error) });
      await sleep(2000, undefined, { signal: stop }).catch(() => undefined);
    }
  }
}
