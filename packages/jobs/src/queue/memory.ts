import type { QueueName } from '../keys.ts';
import type { Queue, Received } from './port.ts';

type Held = { body: string; visibleAt: number; receiveCount: number; receipt: string };

export type MemoryQueue = Queue & {
  /** Messages in the queue, hidden ones too. */
  size(): number;
};

/** One for each kind of message. */
export function memoryQueues(): Record<QueueName, MemoryQueue> {
  return { trainings: memoryQueue(), images: memoryQueue(), batches: memoryQueue(), webhooks: memoryQueue() };
}

/**
 * A queue in this process's memory, for unit tests.
 * @param options.dead where a message goes instead of a delivery more than `maxReceiveCount`
 */
export function memoryQueue(options: { visibilitySeconds?: number; maxReceiveCount?: number; dead?: Queue } = {}): MemoryQueue {
  const { visibilitySeconds: standard = 30, maxReceiveCount = 5, dead } = options;
  const held = new Set<Held>();
  let receipts = 0;
  const find = (receipt: string) => [...held].find((message) => message.receipt === receipt);

  async function take(maxMessages: number, visibilitySeconds: number): Promise<Received[]> {
    const taken: Received[] = [];
    for (const message of held) {
      if (taken.length === maxMessages) break;
      if (message.visibleAt > Date.now()) continue;
      if (dead && message.receiveCount >= maxReceiveCount) {
        held.delete(message);
        await dead.send(message.body);
        continue;
      }
      message.visibleAt = Date.now() + visibilitySeconds * 1000;
      message.receipt = `receipt-${++receipts}`;
      message.receiveCount++;
      taken.push({ receipt: message.receipt, body: message.body, receiveCount: message.receiveCount });
    }
    return taken;
  }

  return {
    size: () => held.size,

    async send(body, { delaySeconds = 0 } = {}) {
      held.add({ body, visibleAt: Date.now() + delaySeconds * 1000, receiveCount: 0, receipt: '' });
    },

    async receive({ maxMessages = 1, waitSeconds = 0, visibilitySeconds = standard, signal } = {}) {
      const until = Date.now() + waitSeconds * 1000;
      for (;;) {
        if (signal?.aborted) return [];
        const taken = await take(maxMessages, visibilitySeconds);
        if (taken.length > 0 || Date.now() >= until) return taken;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },

    async extend(receipt, seconds) {
      const message = find(receipt);
      if (!message) throw new Error('extend: no message has this receipt');
      message.visibleAt = Date.now() + seconds * 1000;
    },

    async waiting() {
      return [...held].filter(({ visibleAt }) => visibleAt <= Date.now()).length;
    },

    async delete(receipt) {
      const message = find(receipt);
      if (message) held.delete(message);
    },
  };
}
