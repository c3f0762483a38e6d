import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { defaultAttributes, parseAttributes, type QueueAttributes, writeAttributes } from './attributes.ts';
import { SqsError } from './error.ts';

export const queuesSchema = `
  CREATE TABLE IF NOT EXISTS queues (
    name TEXT PRIMARY KEY, attributes TEXT NOT NULL, created_at INTEGER NOT NULL, modified_at INTEGER NOT NULL
  ) STRICT`;

const rowSchema = z.object({
  name: z.string(),
  attributes: z.string().transform((text) => {
    const texts = z.record(z.string(), z.string()).parse(JSON.parse(text));
    return { ...defaultAttributes, ...parseAttributes(texts) };
  }),
  created_at: z.number(),
  modified_at: z.number(),
});

/** A queue's name and attributes; times in ms. */
export type QueueRow = { name: string; attributes: QueueAttributes; createdAt: number; modifiedAt: number };

const account = '000000000000';
const arnPrefix = `arn:aws:sqs:us-east-1:${account}:`;
export const arnOf = (name: string) => arnPrefix + name;
export const pathOf = (name: string) => `/${account}/${name}`;

/** Which queues there are. */
export type Queues = ReturnType<typeof openQueues>;

export function openQueues(database: DatabaseSync) {
  const select = database.prepare('SELECT * FROM queues WHERE name = ?');
  const selectNames = database.prepare('SELECT name FROM queues WHERE name > ? AND name GLOB ? ORDER BY name LIMIT ?');
  const replace = database.prepare('INSERT OR REPLACE INTO queues VALUES (?, ?, ?, ?)');
  const remove = database.prepare('DELETE FROM queues WHERE name = ?');

  function find(name: string): QueueRow | undefined {
    const row = select.get(name);
    if (!row) return undefined;
    const { created_at, modified_at, ...queue } = rowSchema.parse(row);
    return { ...queue, createdAt: created_at, modifiedAt: modified_at };
  }

  function write(name: string, attributes: QueueAttributes, createdAt: number): void {
    replace.run(name, JSON.stringify(writeAttributes(attributes)), createdAt, Date.now());
  }

  function requireDeadLetterQueue({ RedrivePolicy }: Partial<QueueAttributes>): void {
    if (RedrivePolicy && !deadLetterQueue(RedrivePolicy.deadLetterTargetArn)) {
      throw new SqsError(
        'InvalidParameterValue',
        `RedrivePolicy: dead-letter target ${RedrivePolicy.deadLetterTargetArn} does not exist`,
      );
    }
  }

  /** The queue with this ARN; its region does not matter here. */
  function deadLetterQueue(arn: string): QueueRow | undefined {
    const [, , service, , , name] = arn.split(':');
    return service === 'sqs' && name !== undefined ? find(name) : undefined;
  }

  return {
    deadLetterQueue,

    /** @throws SqsError if there is no such queue */
    require(name: string): QueueRow {
      const queue = find(name);
      if (!queue) throw new SqsError('QueueDoesNotExist', 'The specified queue does not exist.');
      return queue;
    },

    /**
     * Makes a queue. To do so again is no error.
     * @throws SqsError if there is one whose attributes are not those given
     */
    create(name: string, texts: Record<string, string>): void {
      if (!/^[A-Za-z0-9_-]{1,80}$/.test(name)) {
        throw new SqsError(
          'InvalidParameterValue',
          'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length',
        );
      }
      const given = parseAttributes(texts);
      const found = find(name);
      if (!found) {
        requireDeadLetterQueue(given);
        write(name, { ...defaultAttributes, ...given }, Date.now());
        return;
      }
      const wanted = writeAttributes({ ...found.attributes, ...given });
      const has = writeAttributes(found.attributes);
      for (const attribute of Object.keys(given)) {
        if (wanted[attribute] === has[attribute]) continue;
        throw new SqsError('QueueNameExists', `A queue already exists with the same name and a different value for ${attribute}`);
      }
    },

    setAttributes({ name, attributes, createdAt }: QueueRow, texts: Record<string, string>): void {
      const given = parseAttributes(texts);
      requireDeadLetterQueue(given);
      write(name, { ...attributes, ...given }, createdAt);
    },

    remove: (name: string): void => void remove.run(name),

    /** Names in ascending order, of at most `limit` queues behind the name `after`. */
    list(prefix: string, after: string, limit: number): string[] {
      // GLOB heeds case, LIKE does not; names have no characters that mean something to it.
      return selectNames.all(after, `${prefix.replaceAll(/[^\w-]/g, '?')}*`, limit).map(({ name }) => z.string().parse(name));
    },
  };
}
