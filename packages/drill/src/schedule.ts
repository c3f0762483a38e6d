import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@loraloom/client';
import { newApiKey, storeApiKey, tenantLimitsSchema } from '@loraloom/functions';
import { isFinal, keys, putRecord } from '@loraloom/jobs';
import { registerModel } from '@loraloom/local';
import { type AskedBatch, beBatchCustomer } from './batches.ts';
import { nameOf, parseJob, type Results, resultOf, wrongsAtTheEnd } from './check.ts';
import { trueSeconds } from './clock.ts';
import { type Asked, beCustomer } from './customer.ts';
import { faultsOf } from './faults.ts';
import { openHooks } from './hooks.ts';
import { openLink } from './link.ts';
import type { Plan } from './plan.ts';
import { keepRunning, startApi, startConsumers, startWorker } from './programs.ts';
import { registerInk, tiny, withoutModelFiles } from './tiny.ts';
import { openWorld, type World } from './world.ts';

const tenant = 'drill';
const pepper = 'p'.repeat(64);

/** Longest time in which everything must have ended once all is calm, in seconds: five tries, later and later. */
const patienceSeconds = 3600;

/** What all schedules of a process share. */
export interface Stage {
  /** For the worlds' data. */
  folder: string;
  /** Workers' disks, where they keep base models. */
  modelsFolder: string;
  /** What jobs come to undisturbed; undefined for the schedule that tells. */
  results: Results | undefined;
}

export interface Outcome {
  seed: number;
  seconds: number;
  /** How many of each kind. */
  faults: Record<string, number>;
  /** Jobs by the state in which they ended. */
  ends: Record<string, number>;
  /** What should not have been. */
  wrongs: string[];
  log: string[];
}

/** Runs one schedule to its end, and looks whether all that must hold does. */
export async function run(plan: Plan, stage: Stage): Promise<Outcome & { results: Results }> {
  const begun = performance.now();
  const born = trueSeconds();
  const now = () => trueSeconds() - born;
  const { seed } = plan;
  const folder = await mkdtemp(join(stage.folder, `${seed}-`));
  const world = await openWorld(folder);
  const faults = faultsOf(seed, plan.faultShare);
  const log: string[] = [];
  const note = (program: string, line: Record<string, unknown>) =>
    void log.push(`${now().toFixed(1)} s ${program}: ${JSON.stringify(line)}`);
  const poison = new Set<string>();
  const around = { seed, world, faults, poison, log: note };

  const empty = plan.workers.some((worker) => worker.empty) || !stage.results;
  await registerModel(empty ? world.bucket : withoutModelFiles(world.bucket), tiny.folder, tiny);
  await registerInk(world.bucket, tenant);
  const apiKey = await newApiKey();
  await storeApiKey(world.bucket, pepper, apiKey, {
    id: `key_${'0'.repeat(26)}`,
    object: 'key',
    name: 'drill',
    scopes: ['images', 'trainings'],
    created_at: new Date(0).toISOString(),
    expires_at: null,
    tenant,
  });

  const allowed = tenantLimitsSchema.parse({ unfinished_jobs: plan.unfinishedJobs });
  await putRecord(world.bucket, keys.limits(tenant), allowed);

  const calm = () => now() > plan.calmAtSeconds;
  let apiUrl: string | undefined;
  const api = keepRunning(async (times) => {
    const { skewSeconds, deaths } = plan.api;
    const program = await startApi(around, 'api', { skewSeconds, death: calm() ? undefined : deaths[times], pepper });
    apiUrl = program.url;
    return program;
  }, plan.api.deaths);
  const workers = plan.workers.map((worker, i) =>
    keepRunning(async (times) => {
      const modelsFolder = worker.empty ? join(folder, `models-${i}-${times}`) : stage.modelsFolder;
      await mkdir(modelsFolder, { recursive: true });
      const death = calm() ? undefined : worker.deaths[times];
      return startWorker(around, `worker ${i}`, { ...worker, modelsFolder, death });
    }, worker.deaths),
  );

  const consumers = keepRunning((times) => {
    const { skewSeconds, deaths } = plan.consumers;
    return startConsumers(around, 'consumers', { skewSeconds, death: calm() ? undefined : deaths[times] });
  }, plan.consumers.deaths);

  const { watch, expire, read } = world;
  const front = await openLink({ seed, program: 'customer', service: 'api', target: () => apiUrl, faults, watch, expire, read });
  const hooks = await openHooks();
  const way = await openLink({ seed, program: 'hooks', service: 'api', target: () => hooks.url, faults, watch, expire, read });
  const client = connect({ url: front.url, apiKey });
  const customers = plan.asks.map(async (ask, i) => {
    await sleep(1000 * ask.atSeconds);
    return beCustomer(client, ask, `customer ${i}`, `${way.url}/hook`, (id) => poison.add(id));
  });
  const batchCustomers = plan.batches.map(async (ask, i) => {
    await sleep(1000 * ask.atSeconds);
    return beBatchCustomer(client, ask, `batch ${i}`, `${way.url}/hook`);
  });
  const outages = plan.outages.map(async ({ what, atSeconds, seconds }) => {
    await sleep(1000 * atSeconds);
    faults.count(what === 'disk' ? 'disk full' : `${what} down`);
    const over = sleep(1000 * seconds);
    await (what === 'disk' ? world.fillDisk(over) : world.restart(what, over));
  });

  const wrongs: string[] = [];
  await sleep(1000 * plan.calmAtSeconds);
  await Promise.all(outages);
  faults.end();
  note('drill', { message: 'calm' });
  const asked: Asked[] = [];
  for (const answer of await Promise.allSettled(customers)) {
    if (answer.status === 'fulfilled') asked.push(answer.value);
    else wrongs.push(`a customer was told: ${answer.reason}`);
  }
  const askedBatches: AskedBatch[] = [];
  for (const answer of await Promise.allSettled(batchCustomers)) {
    if (answer.status === 'fulfilled') askedBatches.push(answer.value);
    else wrongs.push(`a customer of a batch was told: ${answer.reason}`);
  }
  const giveUp = now() + patienceSeconds;
  let drained = false;
  while (!drained && now() < giveUp) {
    drained = await isOver(world);
    if (!drained) await sleep(10_000);
  }
  note('drill', { message: drained ? 'over' : 'given up' });
  for (const program of [...workers, consumers, api]) await program.stop();
  front.cut();
  way.cut();
  hooks.close();

  const results = stage.results ?? new Map<string, string>();
  if (!stage.results) {
    for (const { ask, id = '' } of asked) {
      const versions = [...watch.versions].find(([key]) => key.includes(`/${id}/`))?.[1];
      const job = parseJob(versions?.at(-1)?.text ?? '');
      if (job.status !== 'succeeded') throw new Error(`undisturbed, a job ended as ${job.status}\n${log.join('\n')}`);
      results.set(nameOf(ask.what), await resultOf(world.bucket, tenant, job));
    }
  }
  const end = await wrongsAtTheEnd(world, tenant, { asked, batches: askedBatches, told: hooks.told }, results);
  wrongs.push(...end.wrongs, ...watch.wrongs);
  if (!drained) wrongs.push(`not over after ${patienceSeconds} calm seconds: ${await world.waiting()} messages are left`);
  await world.close();
  await rm(folder, { recursive: true });
  const seconds = (performance.now() - begun) / 1000;
  return { seed, seconds, faults: faults.injected, ends: end.ends, wrongs, log, results };
}

/** All jobs have ended, and nothing is in a queue or on its way to one. */
async function isOver({ watch, waiting, bucket }: World): Promise<boolean> {
  const jobs = [...watch.versions.values()].map((versions) => parseJob(versions.at(-1)?.text ?? ''));
  if (!jobs.every(({ status }) => isFinal(status))) return false;
  return (await waiting()) === 0 && (await bucket.list(keys.outbox())).keys.length === 0;
}
