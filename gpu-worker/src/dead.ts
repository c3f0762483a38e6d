import { images, isFinal, keys, messageSchema, type Queue, trainings, updateRecord } from '@loraloom/jobs';
import type { Services } from './services.ts';

/** Marks jobs failed whose messages were given up on after too many attempts, until `stop` aborts. */
export async function buryDead({ bucket, log }: Pick<Services, 'bucket' | 'log'>, dead: Queue, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    try {
      for (const { body, receipt } of await dead.receive({ waitSeconds: 20, signal: stop })) {
        const { kind, tenant, id } = messageSchema.parse(JSON.parse(body));
        const error = {
          code: 'worker_failed',
          message: 'the worker failed at this job several times; it is our fault, and logged',
          param: null,
        };
        const ended = { status: 'failed' as const, error, finished_at: new Date().toISOString() };
        if (kind === 'training') {
          await updateRecord(bucket, keys.jobRecord('trainings', tenant, id), trainings.record, (job) =>
            isFinal(job.status) ? undefined : { ...job, ...ended },
          );
        } else {
          await updateRecord(bucket, keys.jobRecord('images', tenant, id), images.record, (job) =>
            isFinal(job.status) ? undefined : { ...job, ...ended },
          );
        }
        await dead.delete(receipt);
      }
    } catch (error) {
      if (stop.aborted) return;
      log({ level: 'error', message: 'dead letter not handled', error: String(error) });
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
}
