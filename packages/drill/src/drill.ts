import { parseArgs } from 'node:util';
import { drillProcesses } from './processes.ts';
import { runSeeds, type Tally } from './run-seeds.ts';

/*
 * `npm run drill`: a thousand random schedules of faults, or those asked for, and then rounds of `kill -9` of the programs themselves.
 *
 *   npm run drill -- --schedules 200 --first 5000
 *   npm run drill -- --minutes 15           as many of them as begin within a quarter of an hour
 *   npm run drill -- --seed 4711            one schedule, with its log
 */

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    first: { type: 'string', default: '1' },
    schedules: { type: 'string', default: '1000' },
    minutes: { type: 'string' },
    processes: { type: 'string', default: '2' },
    'at-once': { type: 'string', default: '6' },
    rounds: { type: 'string', default: '20' },
  },
});
const one = values.seed === undefined ? undefined : Number(values.seed);
const first = one ?? Number(values.first);
const count = one === undefined ? Number(values.schedules) : 1;
const seeds = Array.from({ length: count }, (_, i) => first + i);

let done = 0;
const tally = await runSeeds(seeds, {
  processes: Number(values.processes),
  atOnce: Number(values['at-once']),
  verbose: one !== undefined,
  ...(values.minutes === undefined ? {} : { minutes: Number(values.minutes) }),
  told({ seed, wrongs, log }) {
    if (++done % 10 === 0) console.log(`${done} of ${count} schedules`);
    if (wrongs.length > 0 || one !== undefined) console.log(log.join('\n'));
    for (const wrong of wrongs) console.log(`ANOMALY, npm run drill -- --seed ${seed}: ${wrong}`);
  },
});
print(tally);

const rounds = one === undefined ? Number(values.rounds) : 0;
const wrongs = rounds > 0 ? await play(rounds) : 0;
process.exitCode = tally.anomalies + wrongs > 0 ? 1 : 0;

/** @returns how many anomalies there were */
async function play(rounds: number): Promise<number> {
  const { kills, ends, wrongs } = await drillProcesses(first, rounds, console.log);
  for (const wrong of wrongs) console.log(`ANOMALY, ${wrong}`);
  console.log(`\n${rounds} rounds with the real engine\n${sum(kills)} kills\n${table(kills)}`);
  console.log(`${sum(ends)} jobs\n${table(ends)}\n${wrongs.length} anomalies`);
  return wrongs.length;
}

function table(counts: Record<string, number>): string {
  return Object.entries(counts)
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, many]) => `  ${String(many).padStart(7)} ${name}`)
    .join('\n');
}

function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((total, many) => total + many, 0);
}

function print({ schedules, faults, ends, anomalies, seconds }: Tally): void {
  console.log(`\n${schedules} schedules in ${Math.round(seconds)} s`);
  console.log(`${sum(faults)} faults\n${table(faults)}`);
  console.log(`${sum(ends)} jobs\n${table(ends)}`);
  console.log(`${anomalies} anomalies`);
}
