import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const counts = z.record(z.string(), z.number());
const outcomeSchema = z.object({
  seed: z.int(),
  seconds: z.number(),
  faults: counts,
  ends: counts,
  wrongs: z.array(z.string()),
  log: z.array(z.string()),
});
type Outcome = z.infer<typeof outcomeSchema>;

/** What came of all schedules together. */
export interface Tally {
  schedules: number;
  seconds: number;
  faults: Record<string, number>;
  ends: Record<string, number>;
  anomalies: number;
}

export interface RunOptions {
  processes: number;
  /** Schedules that run at a time in one process, since most of the time all of them wait. */
  atOnce: number;
  /** Want logs also of schedules in which all was well. */
  verbose?: boolean;
  told?: (outcome: Outcome) => void;
  /** No schedule is begun after so long; default: all are. */
  minutes?: number;
}

/** Few enough that what a process may leak does not matter. */
const seedsPerProcess = 60;

const program = fileURLToPath(new URL('seeds.ts', import.meta.url));

/** Runs the schedules of these seeds, in processes of their own. @throws Error if such a process dies */
export async function runSeeds(
  seeds: readonly number[],
  { processes, atOnce, verbose = false, told = () => undefined, minutes }: RunOptions,
): Promise<Tally> {
  const begun = performance.now();
  const tally: Tally = { schedules: 0, seconds: 0, faults: {}, ends: {}, anomalies: 0 };
  const add = (sums: Record<string, number>, more: Record<string, number>) => {
    for (const [name, many] of Object.entries(more)) sums[name] = (sums[name] ?? 0) + many;
  };
  const size = Math.min(seedsPerProcess, Math.ceil(seeds.length / processes));
  const chunks = Array.from({ length: Math.ceil(seeds.length / size) }, (_, i) => seeds.slice(i * size, (i + 1) * size));
  const children = new Set<ChildProcess>();
  let enough = false;
  const stop = () => {
    enough = true;
    chunks.splice(0);
    for (const child of children) child.send('enough');
  };
  const clock = minutes === undefined ? undefined : setTimeout(stop, minutes * 60_000);
  await Promise.all(
    Array.from({ length: processes }, async () => {
      for (let chunk = chunks.shift(); chunk; chunk = chunks.shift()) {
        const child = fork(program, [JSON.stringify({ seeds: chunk, atOnce, verbose })], {
          stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
        });
        children.add(child);
        // Only the last words of a process are of interest.
        let words = '';
        child.stderr?.on('data', (text) => {
          words = (words + text).slice(-4000);
        });
        child.on('message', (message) => {
          const outcome = outcomeSchema.parse(message);
          tally.schedules++;
          add(tally.faults, outcome.faults);
          add(tally.ends, outcome.ends);
          tally.anomalies += outcome.wrongs.length;
          told(outcome);
        });
        const [code] = await once(child, 'exit');
        children.delete(child);
        if (code !== 0) throw new Error(`the process with seeds ${chunk[0]} to ${chunk.at(-1)} ended with ${code}: ${words}`);
      }
    }),
  );
  clearTimeout(clock);
  if (!enough && tally.schedules !== seeds.length)
    throw new Error(`${tally.schedules} of ${seeds.length} schedules came to an end`);
  return { ...tally, seconds: (performance.now() - begun) / 1000 };
}
