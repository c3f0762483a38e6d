import { messageSchema } from '@loraloom/jobs';

/** One version of an object, and the program that wrote it. */
export interface Version {
  by: string;
  etag: string;
  text: string;
}

const final = /"status":"(succeeded|failed|canceled)"/;

/** Sees every version of every record and every message, whoever wrote or sent it. */
export type Watch = ReturnType<typeof openWatch>;

/** @param recordKey where the record of a job lies that a message is about */
export function openWatch(recordKey: (job: { kind: 'training' | 'image'; tenant: string; id: string }) => string) {
  const versions = new Map<string, Version[]>();
  const turns = new Map<string, Promise<unknown>>();
  /** Messages that are in a queue, by the record they are about; and each one's last receipt. */
  const queued = new Map<string, Set<string>>();
  const receipts = new Map<string, { receipt: string; record: string }>();
  const wrongs: string[] = [];

  /** Undefined for a message about something else than a job. */
  const recordOf = (body: string) => {
    const job = messageSchema.safeParse(JSON.parse(body)).data;
    return job && recordKey(job);
  };

  return {
    versions,
    /** What was done that must never be. */
    wrongs,

    /**
     * Lets a write through when its turn comes: writes of one key take effect one after the other, so that their order is known.
     * @param write returns the version that it wrote, if it did
     */
    async write<T>(key: string, write: () => Promise<{ answer: T; written: Version | undefined }>): Promise<T> {
      const before = turns.get(key);
      const turn = (async () => {
        await before;
        const done = await write();
        const known = versions.get(key) ?? [];
        if (done.written && known.at(-1)?.etag !== done.written.etag) versions.set(key, [...known, done.written]);
        return done.answer;
      })();
      const over = turn.catch(() => undefined);
      turns.set(key, over);
      return turn;
    },

    sent(id: string, body: string): void {
      const record = recordOf(body);
      if (record !== undefined) queued.set(record, (queued.get(record) ?? new Set()).add(id));
    },

    received(id: string, receipt: string, body: string): void {
      const record = recordOf(body);
      if (record !== undefined) receipts.set(id, { receipt, record });
    },

    /** A message was deleted: its job has ended, or another message for it is there. */
    deleted(receipt: string, by: string): void {
      const [id = ''] = receipt.split('.');
      const message = receipts.get(id);
      // The receipt of an earlier delivery deletes nothing.
      if (message?.receipt !== receipt) return;
      const { record } = message;
      const left = queued.get(record);
      left?.delete(id);
      const last = versions.get(record)?.at(-1)?.text;
      if (last !== undefined && !final.test(last) && !left?.size)
        wrongs.push(`${by} deleted the only message of ${record}, which has not ended`);
    },
  };
}
