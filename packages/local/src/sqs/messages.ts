import { randomBytes, randomUUID } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { z } from 'zod';
import { gatherWrites, transaction } from '../database.ts';
import { SqsError } from './error.ts';
import { openGroups } from './groups.ts';
import { arnOf, type QueueRow, type Queues } from './queues.ts';

/**
 * Times in ms. A message is hidden until `visible_at`: delayed if it has no receipt, in flight if it has one. `receipt` is
 * of the last delivery; `source` is the queue it died in.
 */
export const messagesSchema = `
  CREATE TABLE IF NOT EXISTS messages (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, queue TEXT NOT NULL, body TEXT NOT NULL,
    group_id TEXT, sent_at INTEGER NOT NULL, visible_at INTEGER NOT NULL, receive_count INTEGER NOT NULL DEFAULT 0,
    first_received_at INTEGER, received_at INTEGER, receipt TEXT, source TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS visible ON messages (queue, visible_at);
  CREATE INDEX IF NOT EXISTS sent ON messages (queue, sent_at);
  CREATE INDEX IF NOT EXISTS groups ON messages (queue, coalesce(group_id, ''));
  CREATE INDEX IF NOT EXISTS flying ON messages (queue, coalesce(group_id, ''), visible_at) WHERE receipt IS NOT NULL`;

const rowSchema = z.object({
  id: z.string(),
  body: z.string(),
  group_id: z.string().nullable(),
  sent_at: z.number(),
  visible_at: z.number(),
  receive_count: z.number(),
  first_received_at: z.number().nullable(),
  received_at: z.number().nullable(),
  receipt: z.string().nullable(),
  source: z.string().nullable(),
});

const countsSchema = z.object({ visible: z.number(), in_flight: z.number(), delayed: z.number(), oldest: z.number().nullable() });

/** One delivery of a message; times in ms. `source`: ARN of the queue it died in. */
export type Delivery = {
  id: string;
  receipt: string;
  body: string;
  group: string | undefined;
  sentAt: number;
  firstReceivedAt: number;
  receiveCount: number;
  source: string | undefined;
};

/** SQS hides a message for at most so long from when it was received, however often it is extended. */
const longestFlightSeconds = 12 * 3600;

/** The messages of all queues, and who waits for them. */
export type Messages = ReturnType<typeof openMessages>;

export function openMessages(database: DatabaseSync, queues: Queues) {
  const insert = database.prepare(
    'INSERT INTO messages (id, queue, body, group_id, sent_at, visible_at) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const selectVisible = database.prepare('SELECT 1 FROM messages WHERE queue = ? AND visible_at <= ? LIMIT 1');
  const groups = openGroups(database);
  const selectSequence = database.prepare('SELECT * FROM messages WHERE sequence = ?');
  const selectNext = database.prepare('SELECT min(visible_at) AS next FROM messages WHERE queue = ?');
  const selectOne = database.prepare('SELECT * FROM messages WHERE queue = ? AND id = ?');
  const deliver = database.prepare(
    `UPDATE messages SET visible_at = ?, receive_count = receive_count + 1, received_at = ?,
     first_received_at = coalesce(first_received_at, ?), receipt = ? WHERE id = ?`,
  );
  const undo = database.prepare(
    'UPDATE messages SET visible_at = ?, receive_count = receive_count - 1, receipt = NULL WHERE id = ? AND receipt = ?',
  );
  const move = database.prepare('UPDATE messages SET queue = ?, source = ?, visible_at = ?, receipt = NULL WHERE id = ?');
  const hide = database.prepare('UPDATE messages SET visible_at = ? WHERE id = ?');
  const remove = database.prepare('DELETE FROM messages WHERE queue = ? AND id = ? AND receipt = ?');
  const removeOld = database.prepare('DELETE FROM messages WHERE queue = ? AND sent_at < ?');
  const removeAll = database.prepare('DELETE FROM messages WHERE queue = ?');
  const count = database.prepare(
    `SELECT count(*) FILTER (WHERE visible_at <= ?1) AS visible,
       count(*) FILTER (WHERE visible_at > ?1 AND receipt IS NOT NULL) AS in_flight,
       count(*) FILTER (WHERE visible_at > ?1 AND receipt IS NULL) AS delayed, min(sent_at) AS oldest
     FROM messages WHERE queue = ?2 AND sent_at >= ?3`,
  );

  const waiters = new Map<string, Set<() => void>>();
  const wake = (queue: string) => {
    for (const look of waiters.get(queue) ?? []) look();
  };
  const expiry = ({ attributes }: QueueRow, now: number) => now - attributes.MessageRetentionPeriod * 1000;

  /** Takes what is visible now; what was delivered too often goes to the dead-letter queue instead. */
  function take(queue: QueueRow, most: number, visibilitySeconds: number): Delivery[] {
    const now = Date.now();
    const { RedrivePolicy } = queue.attributes;
    const deadLetterQueue = RedrivePolicy && queues.deadLetterQueue(RedrivePolicy.deadLetterTargetArn);
    const taken: Delivery[] = [];
    // Most looks find nothing, and should write nothing.
    if (!selectVisible.get(queue.name, now)) return taken;
    let buried = false;
    transaction(database, () => {
      removeOld.run(queue.name, expiry(queue, now));
      while (taken.length < most) {
        const sequence = groups.next(queue.name, now);
        if (sequence === undefined) break;
        const row = selectSequence.get(sequence);
        const message = rowSchema.parse(row);
        if (deadLetterQueue && message.receive_count >= RedrivePolicy.maxReceiveCount) {
          move.run(deadLetterQueue.name, queue.name, now, message.id);
          buried = true;
          continue;
        }
        const receipt = randomBytes(16).toString('hex');
        // Hidden for 0 seconds still means: not twice in one answer.
        deliver.run(Math.max(now + visibilitySeconds * 1000, now + 1), now, now, receipt, message.id);
        taken.push({
          id: message.id,
          receipt: `${message.id}.${receipt}`,
          body: message.body,
          group: message.group_id ?? undefined,
          sentAt: message.sent_at,
          firstReceivedAt: message.first_received_at ?? now,
          receiveCount: message.receive_count + 1,
          source: message.source === null ? undefined : arnOf(message.source),
        });
      }
    });
    if (buried && deadLetterQueue) wake(deadLetterQueue.name);
    return taken;
  }

  /** Until a message of the queue may have become visible, or `until` (ms), or the signal. */
  function change(queue: string, until: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const next = z
        .number()
        .nullable()
        .parse(selectNext.get(queue)?.next ?? null);
      const looking = waiters.get(queue) ?? new Set();
      const end = () => {
        clearTimeout(timer);
        looking.delete(end);
        if (looking.size === 0 && waiters.get(queue) === looking) waiters.delete(queue);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, Math.min(next ?? until, until) - Date.now());
      waiters.set(queue, looking.add(end));
      signal.addEventListener('abort', end);
    });
  }

  /** Takes back deliveries that reached nobody, as if they had not been made. */
  function giveBack(queue: QueueRow, deliveries: Delivery[]): void {
    if (deliveries.length === 0 || !database.isOpen) return;
    transaction(database, () => {
      for (const { id, receipt } of deliveries) undo.run(Date.now(), id, parseReceipt(receipt).nonce);
    });
    wake(queue.name);
  }

  return {
    /** @returns the message's id */
    send(queue: QueueRow, body: string, options: { delaySeconds?: number | undefined; group?: string | undefined }): string {
      const { delaySeconds = queue.attributes.DelaySeconds, group = null } = options;
      const id = randomUUID();
      const now = Date.now();
      insert.run(id, queue.name, body, group, now, now + delaySeconds * 1000);
      wake(queue.name);
      return id;
    },

    /** Takes 1 to `most` messages, or none if none comes within `waitSeconds` or before the signal. */
    async receive(
      queue: QueueRow,
      options: { most: number; waitSeconds: number; visibilitySeconds: number },
      signal: AbortSignal,
    ) {
      const until = Date.now() + options.waitSeconds * 1000;
      while (!signal.aborted) {
        const taken = take(queue, options.most, options.visibilitySeconds);
        // A client that went before, or while the disk was waited for, is only noticed when the event loop comes round.
        if (taken.length > 0) await eventLoopRound();
        if (signal.aborted) giveBack(queue, taken);
        else if (taken.length > 0 || Date.now() >= until) return taken;
        else await change(queue.name, until, signal);
      }
      return [];
    },

    giveBack,

    /** Makes one change, together on the disk with those that others make at the same time. */
    write: gatherWrites(database),

    /** Makes several changes one write to the disk. */
    together: <T>(work: () => T): T => transaction(database, work),

    /** Hides a message for so many seconds from now. @throws SqsError if it is not in flight with this receipt */
    changeVisibility(queue: QueueRow, receipt: string, seconds: number): void {
      const { id, nonce } = parseReceipt(receipt);
      const row = selectOne.get(queue.name, id);
      const message = row && rowSchema.parse(row);
      const now = Date.now();
      if (!message || message.receipt !== nonce || message.visible_at <= now) {
        throw new SqsError('MessageNotInflight', `The message is not in flight with receipt handle ${receipt}`);
      }
      const visibleAt = now + seconds * 1000;
      if (visibleAt > (message.received_at ?? now) + longestFlightSeconds * 1000) {
        const reason = `Total VisibilityTimeout for the message is beyond the limit [${longestFlightSeconds} seconds]`;
        throw new SqsError(
          'InvalidParameterValue',
          `Value ${seconds} for parameter VisibilityTimeout is invalid. Reason: ${reason}`,
        );
      }
      hide.run(visibleAt, id);
      wake(queue.name);
    },

    /** Removes a message, if this is the receipt of its last delivery. */
    remove(queue: QueueRow, receipt: string): void {
      const { id, nonce } = parseReceipt(receipt);
      remove.run(queue.name, id, nonce);
    },

    removeAll: (queue: QueueRow): void => void removeAll.run(queue.name),

    /** How many messages can be received, have been, and are not to be yet; when the oldest was sent (ms). */
    counts(queue: QueueRow) {
      const now = Date.now();
      return countsSchema.parse(count.get(now, queue.name, expiry(queue, now)));
    },
  };
}

/** Resolves when everything that has come over the network by now has been looked at. */
async function eventLoopRound(): Promise<void> {
  // The first may still belong to the round that is under way.
  await setImmediate();
  await setImmediate();
}

/** @throws SqsError if it is none that we gave */
function parseReceipt(receipt: string): { id: string; nonce: string } {
  const [, id, nonce] = /^([0-9a-f-]{36})\.([0-9a-f]{32})$/.exec(receipt) ?? [];
  if (id === undefined || nonce === undefined) {
    throw new SqsError('ReceiptHandleIsInvalid', `The input receipt handle "${receipt.slice(0, 100)}" is not valid.`);
  }
  return { id, nonce };
}
