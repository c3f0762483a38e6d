import { createHash } from 'node:crypto';
import { decodePicture } from '@loraloom/engine';
import {
  type Bucket,
  type ImageRecord,
  idTime,
  images,
  isFinal,
  type JobRecord,
  keys,
  listLoras,
  type TrainingRecord,
  trainings,
  webhookSecret,
} from '@loraloom/jobs';
import { type AskedBatch, wrongsOfBatch } from './batches.ts';
import { type Ending, wanted } from './catalogue.ts';
import { wrongsOfCharges } from './charges.ts';
import type { Asked } from './customer.ts';
import { type Told, wrongsOfHooks } from './hooks.ts';
import type { Version } from './watch.ts';
import type { World } from './world.ts';

/** What jobs come to when nothing goes wrong, by what was asked for: their pictures' and LoRAs' digests. */
export type Results = Map<string, string>;

export const nameOf = (what: Asked['ask']['what']) => JSON.stringify(what);

/** A job's last record, or undefined if there is none. */
export type Job = ImageRecord | TrainingRecord;

export const parseJob = (text: string): Job => {
  const record: unknown = JSON.parse(text);
  const image = images.record.safeParse(record);
  return image.success ? image.data : trainings.record.parse(record);
};

/** What is wrong with the versions that a record went through; nothing, if they only ever went forward. */
export function wrongsOfHistory(key: string, versions: readonly Version[]): string[] {
  const wrongs: string[] = [];
  let before: Job | undefined;
  let told = false;
  for (const [i, { text, by }] of versions.entries()) {
    const job = parseJob(text);
    const wrong = (what: string) => wrongs.push(`${key}, version ${i + 1} by ${by}: ${what}`);
    if (!before) {
      if (job.status !== 'queued' || job.attempts !== 0) wrong(`begins as ${job.status}`);
    } else {
      if (isFinal(before.status)) wrong(`${before.status} was the end, and then ${job.status}`);
      if (job.status === 'queued' && before.status !== 'queued') wrong(`${before.status} → queued`);
      if (job.attempts < before.attempts) wrong(`attempts ${before.attempts} → ${job.attempts}`);
      if (job.attempts > before.attempts + 1) wrong(`attempts ${before.attempts} → ${job.attempts}`);
      if (before.cancel_requested && !job.cancel_requested) wrong('a cancel was forgotten');
      // A new attempt may begin further back, and says so with its first report.
      if (job.attempts === before.attempts && told && job.progress.step < before.progress.step)
        wrong(`step ${before.progress.step} → ${job.progress.step} within an attempt`);
      told = job.attempts === before.attempts;
      if (before.started_at !== null && job.started_at !== before.started_at) wrong('began another time');
      if (JSON.stringify(job.request) !== JSON.stringify(before.request)) wrong('another request');
    }
    const ended = isFinal(job.status);
    if (ended !== (job.finished_at !== null)) wrong(`${job.status}, finished at ${job.finished_at}`);
    if ((job.status === 'succeeded') !== (job.output !== null)) wrong(`${job.status}, output ${job.output !== null}`);
    if ((job.status === 'failed') !== (job.error !== null && job.error.message !== '')) wrong(`${job.status} without a reason`);
    if (job.status === 'canceled' && !job.cancel_requested) wrong('canceled, though nobody asked for it');
    before = job;
  }
  return wrongs;
}

/** What a job that succeeded gave: a digest of its pictures and receipts, or of its LoRA's numbers. Throws if it is not whole. */
export async function resultOf(bucket: Bucket, tenant: string, job: Job): Promise<string> {
  const hash = createHash('sha256');
  if (job.object === 'training') {
    const { lora } = job.output ?? {};
    if (!lora) throw new Error('no output');
    const found = await bucket.getBytes(keys.loraWeights(tenant, lora.name, lora.lora_id));
    if (!found) throw new Error(`the LoRA's file is missing`);
    if (sha256(found.bytes) !== lora.sha256) throw new Error(`the LoRA's file is not the one in the record`);
    // The header has the training's id and dates.
    const header = Number(new DataView(found.bytes.buffer, found.bytes.byteOffset).getBigUint64(0, true));
    return hash.update(found.bytes.subarray(8 + header)).digest('hex');
  }
  const made = job.output?.images ?? [];
  if (made.length !== job.request.n) throw new Error(`${made.length} pictures, not ${job.request.n}`);
  for (const { key, sha256: digest, receipt: whole, seed } of made) {
    const found = await bucket.getBytes(key);
    if (!found) throw new Error(`${key} is missing`);
    if (sha256(found.bytes) !== digest) throw new Error(`${key} is not the picture in the record`);
    const { width, height, data } = await decodePicture(found.bytes);
    // Every customer uploads anew: the file has another id, and the same digest.
    const receipt = { ...whole, ...(whole.image ? { image: { ...whole.image, file_id: '' } } : {}) };
    hash.update(JSON.stringify([width, height, seed, receipt])).update(data);
  }
  return hash.digest('hex');
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Checks all that must hold when a schedule is over. @returns what does not */
export async function wrongsAtTheEnd(
  { bucket, limits, watch: { versions } }: World,
  tenant: string,
  { asked, batches, told }: { asked: readonly Asked[]; batches: readonly AskedBatch[]; told: readonly Told[] },
  results: Results,
): Promise<{ wrongs: string[]; ends: Record<string, number> }> {
  const wrongs: string[] = [];
  const ends: Record<string, number> = {};
  const last = new Map<string, JobRecord>();
  for (const [key, history] of versions) {
    wrongs.push(...wrongsOfHistory(key, history));
    const job = parseJob(history.at(-1)?.text ?? '');
    last.set(job.id, job);
    ends[job.status] = (ends[job.status] ?? 0) + 1;
    if (!isFinal(job.status)) wrongs.push(`${job.id} is ${job.status} for ever`);
    const there = await bucket.getBytes(key);
    if (new TextDecoder().decode(there?.bytes) !== history.at(-1)?.text) wrongs.push(`${key} is not as it was last written`);
  }

  for (const { id, ask, canceled } of asked) {
    const name = `${nameOf(ask.what)} ${id}`;
    if (id === undefined) {
      if (!ask.once) wrongs.push(`${name} was never accepted`);
      continue;
    }
    const job = last.get(id);
    if (!job) wrongs.push(`${name} was accepted and has no record`);
    else if (job.status === 'canceled') {
      if (!canceled) wrongs.push(`${name} was canceled by nobody`);
    } else {
      const end: string = job.status === 'failed' ? (job.error?.code ?? '') : job.status;
      const right: Ending = wanted(ask.what).ends;
      if (end !== right) wrongs.push(`${name} ended with ${end}, not ${right}: ${job.error?.message}`);
    }
    if (job?.status !== 'succeeded') continue;
    const result = await resultOf(bucket, tenant, parseJob(JSON.stringify(job))).catch((error: unknown) => String(error));
    if (result !== results.get(nameOf(ask.what))) wrongs.push(`${name} gave another result than undisturbed: ${result}`);
  }
  const ids = asked.flatMap(({ id }) => id ?? []);
  const ofBatches = await Promise.all(batches.map((batch) => wrongsOfBatch(bucket, tenant, batch, last, results)));
  for (const of of ofBatches) wrongs.push(...of.wrongs);
  if (new Set(ids).size < ids.length) wrongs.push('two customers got one job');
  // Who asked once and got no answer may have a job all the same; who asked until there was an answer has one.
  const unheard = asked.filter(({ id }) => id === undefined).length;
  const ofLines = new Set(ofBatches.flatMap(({ jobs }) => jobs)).size;
  if (last.size > ids.length + unheard + ofLines) wrongs.push(`${last.size} jobs for ${asked.length} customers`);

  const jobs = [...last.values()];
  wrongs.push(...(await wrongsOfLoras(bucket, tenant, jobs)), ...(await wrongsOfCharges(limits, tenant, jobs)));
  const hooked = [
    ...ofBatches.map(({ end }) => end),
    ...asked.flatMap(({ id, ask }) => (ask.hook ? (last.get(id ?? '') ?? []) : [])),
  ];
  wrongs.push(...(await wrongsOfHooks(told, (await webhookSecret(bucket, tenant)).secret, hooked)));
  const { keys: left } = await bucket.list(keys.outbox());
  if (left.length > 0) wrongs.push(`${left.length} entries are left in the outbox`);
  return { wrongs, ends };
}

/** A LoRA's name leads to what the latest training of that name made. */
async function wrongsOfLoras(bucket: Bucket, tenant: string, jobs: readonly JobRecord[]): Promise<string[]> {
  const { loras } = await listLoras(bucket, tenant, { limit: 100 });
  const trained = jobs
    .filter(({ object, status }) => object === 'training' && status === 'succeeded')
    .map((job) => trainings.record.parse(job));
  return Object.entries(Object.groupBy(trained, ({ request }) => request.name)).flatMap(([name, of = []]) => {
    const latest = of.toSorted((a, b) => idTime(b.id) - idTime(a.id))[0];
    const record = loras.find((lora) => lora.name === name);
    const theirs = record?.latest?.training_id;
    // One that was canceled at the last moment may have been the latest.
    const known = theirs && latest && idTime(theirs) >= idTime(latest.id);
    return known ? [] : [`the LoRA ${name} is of ${theirs}, not of ${latest?.id}`];
  });
}
