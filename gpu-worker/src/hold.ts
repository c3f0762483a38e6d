import type { JobMessage, Received } from '@loraloom/jobs';
import type { QueueName, Services } from './services.ts';

/** Carries a job through; returning is success, throwing leaves the message to the queue. `stop`: put it back in good order. */
export type Handler = (job: { tenant: string; id: string; alone: boolean }, stop: AbortSignal) => Promise<void>;

/** A job's message in this worker's hands: hidden from all others until it is done with, put back, or left to come back by itself. */
export interface Hold {
  queue: QueueName;
  /** It was delivered before and never ended: a worker may have died of it, so nothing else is to be at stake while it runs. */
  alone: boolean;
  /** Works on it to its end, whatever that is. */
  work(handler: Handler): Promise<void>;
  /** Makes work that is under way end soon and be put back. */
  release(): void;
  /** Puts it back without having begun. */
  putBack(): Promise<void>;
}

/** Longest time for which a job that went wrong is left alone: an outage of half an hour uses up no job's tries. */
const longestPauseSeconds = 900;

export type HoldServices = Pick<Services, 'queues' | 'visibilitySeconds' | 'maxVisibilitySeconds' | 'log'>;

/** Takes charge of a received message. */
export function hold(services: HoldServices, queueName: QueueName, { receipt, receiveCount }: Received, job: JobMessage): Hold {
  const { visibilitySeconds, maxVisibilitySeconds, log } = services;
  const queue = services.queues[queueName];
  const alone = job.alone === true || receiveCount > 1;
  const released = new AbortController();
  // While a job runs its message stays hidden; a worker that dies lets it reappear.
  const heartbeat = setInterval(() => {
    queue
      .extend(receipt, visibilitySeconds)
      .catch((error) => log({ level: 'warn', message: 'heartbeat failed', id: job.id, ...job.trace, error: String(error) }));
  }, visibilitySeconds * 300);
  // SQS hides no message for longer than twelve hours in all.
  const limit = setTimeout(() => released.abort(), maxVisibilitySeconds * 1000);

  /** A new message, then the old one's end: what is put back in good order has used up none of its deliveries. */
  async function sendAnew(message: JobMessage): Promise<void> {
    await queue.send(JSON.stringify(message), { group: job.tenant });
    await queue.delete(receipt);
  }

  /** What fails here is made good by the queue: the message comes back when its visibility is over. */
  const quietly = (work: Promise<void>) =>
    work.catch((error) =>
      log({ level: 'error', message: 'message not put back', id: job.id, ...job.trace, error: String(error) }),
    );
  const letGo = () => {
    clearInterval(heartbeat);
    clearTimeout(limit);
  };

  return {
    queue: queueName,
    alone,
    release: () => released.abort(),

    async work(handler) {
      try {
        await handler({ ...job, alone }, released.signal);
        await queue.delete(receipt);
      } catch (error) {
        if (released.signal.aborted) {
          const { alone: _, ...innocent } = job;
          return quietly(sendAnew(innocent));
        }
        const failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
        log({
          level: 'error',
          message: 'job left to be tried again',
          id: job.id,
          ...job.trace,
          attempt: receiveCount,
          error: failure,
        });
        // Later and later, and to the dead letters after a few times.
        const pauseSeconds = Math.min(
          visibilitySeconds * 2 ** (receiveCount - 1),
          Math.max(longestPauseSeconds, visibilitySeconds),
        );
        await quietly(queue.extend(receipt, pauseSeconds));
      } finally {
        letGo();
      }
    },

    async putBack() {
      await quietly(sendAnew(alone ? { ...job, alone } : job));
      letGo();
    },
  };
}
