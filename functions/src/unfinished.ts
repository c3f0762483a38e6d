import { idTime, isFinal, type JobRecord, jobStatusSchema, keys, readRecord } from '@loraloom/jobs';
import { z } from 'zod';
import type { Services } from './services.ts';

/** What a job is charged for: so many of a counter. */
export type Cost = { counter: 'pictures' | 'training_steps'; n: number };

const kinds = {
  image: { prefix: 'img_', folder: 'images', counter: 'pictures' },
  training: { prefix: 'trn_', folder: 'trainings', counter: 'training_steps' },
} as const;

export function costOf(kind: JobRecord['object'], request: object): Cost {
  const { n, steps } = z.object({ n: z.int().default(1), steps: z.int() }).parse(request);
  return { counter: kinds[kind].counter, n: kind === 'image' ? n : steps };
}

/** A job among an account's open entries: its id, what it cost, and a digest of its request. */
export const entryOf = (id: string, { n }: Cost, digest: string) => `${id} ${n} ${digest}`;

/** Longer than any request takes: a job without a record by then was given up by the request that charged for it. */
const abandonedAfterMilliseconds = 5 * 60 * 1000;

/** How many records are read at a time: more would exhaust the sockets of a small function. */
const lookups = 32;

/**
 * Closes those of an account's open entries whose jobs have ended, and gives back what was charged for jobs that never came to be.
 * Looks at the `most` oldest of each kind, which are the likeliest to have ended.
 * @param counterOf the account's name for a counter, of a job made at that time
 * @returns how many it closed
 */
export async function closeEnded(
  { bucket, limits }: Pick<Services, 'bucket' | 'limits'>,
  tenant: string,
  { account, counterOf }: { account: string; counterOf: (counter: Cost['counter'], time: number) => string },
  open: readonly string[],
  most: number,
): Promise<number> {
  const oldest = Object.values(kinds).flatMap((kind) => {
    const entries = open.filter((entry) => entry.startsWith(kind.prefix));
    // Ids sort newest first.
    return entries
      .sort()
      .slice(-most)
      .map((entry) => ({ entry, ...kind }));
  });
  let closed = 0;
  for (let batch = oldest.splice(0, lookups); batch.length > 0; batch = oldest.splice(0, lookups)) {
    await Promise.all(
      batch.map(async ({ entry, folder, counter }) => {
        const [id = '', n] = entry.split(' ');
        const job = await readRecord(bucket, keys.jobRecord(folder, tenant, id), z.object({ status: jobStatusSchema }));
        if (job ? !isFinal(job.record.status) : Date.now() - idTime(id) < abandonedAfterMilliseconds) return;
        await limits.close(account, entry, job ? {} : { [counterOf(counter, idTime(id))]: Number(n) });
        closed++;
      }),
    );
  }
  return closed;
}
