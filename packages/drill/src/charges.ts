import { setTimeout as sleep } from 'node:timers/promises';
import type { JobRecord, Limits } from '@loraloom/jobs';
import { z } from 'zod';
import { type Faults, lateSeconds } from './faults.ts';

/** The table of limits behind a program's line to it: what is charged gets lost before and after it takes effect. */
export function faultyLimits(limits: Limits, faults: Faults, seed: number, program: string, isCut: () => boolean): Limits {
  const line = `${program} limits`;
  let requests = 0;
  async function carry<T>(label: string, effect: () => Promise<T>): Promise<T> {
    const fault = faults.next(line, { label, patient: true });
    if (fault) faults.count(fault);
    if (fault?.endsWith(' late')) await sleep(1000 * lateSeconds(seed, line, label, ++requests));
    if (isCut() || fault === 'request lost' || fault === 'error before effect' || fault === 'unavailable')
      throw new Error(`limits: ${fault ?? 'cut'}`);
    const answer = await effect();
    if (isCut() || fault === 'answer lost' || fault === 'error after effect') throw new Error(`limits: ${fault ?? 'cut'}`);
    return answer;
  }
  return {
    charge: (account, charge) => carry('charge', () => limits.charge(account, charge)),
    close: (account, entry, back) => carry('close', () => limits.close(account, entry, back)),
    read: (account) => carry('read', () => limits.read(account)),
  };
}

const counters = { image: 'pictures', training: 'training_steps' } as const;
const requestSchema = z.object({ n: z.int().default(1), steps: z.int() });

/**
 * Every job is charged for once, whatever became of it. What was charged for a job that then never came to be is still among
 * the unfinished ones, from where it is given back some day.
 */
export async function wrongsOfCharges(limits: Limits, tenant: string, jobs: readonly JobRecord[]): Promise<string[]> {
  const account = await limits.read(`tenant ${tenant}`);
  const ids = new Set(jobs.map(({ id }) => id));
  const opened = account.open.map((entry) => entry.split(' ')[0] ?? '');
  const wrongs = new Set(opened).size < opened.length ? ['a job has two places among the unfinished ones'] : [];
  for (const [kind, counter] of Object.entries(counters)) {
    const ofJobs = jobs
      .filter(({ object }) => object === kind)
      .map(({ request }) => requestSchema.parse(request))
      .reduce((sum, { n, steps }) => sum + (kind === 'image' ? n : steps), 0);
    const ofNone = account.open
      .map((entry) => entry.split(' '))
      .filter(([id = '']) => id.startsWith(kind === 'image' ? 'img_' : 'trn_') && !ids.has(id))
      .reduce((sum, [, n]) => sum + Number(n), 0);
    // One counter a month
    const charged = Object.entries(account.counters)
      .filter(([name]) => name.startsWith(`${counter} `))
      .reduce((sum, [, n]) => sum + n, 0);
    if (charged !== ofJobs + ofNone)
      wrongs.push(`${charged} ${counter} are charged, for jobs of ${ofJobs}, and ${ofNone} for requests that came to nothing`);
  }
  return wrongs;
}
