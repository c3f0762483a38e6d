import { setTimeout as sleep } from 'node:timers/promises';
import type { BatchView, Loraloom } from '@loraloom/client';
import { type Bucket, isFinalBatch, type JobRecord, keys, readBatch } from '@loraloom/jobs';
import { z } from 'zod';
import { type ImageKind, imageKinds } from './catalogue.ts';
import { parseJob, type Results, resultOf } from './check.ts';
import { insist, mostAttempts } from './customer.ts';
import type { BatchAsk } from './plan.ts';

/** What became of asking for a batch. */
export interface AskedBatch {
  id: string;
  lines: number;
  canceled: boolean;
}

const kinds: readonly ImageKind[] = ['plain', 'several', 'styled'];
const kindOf = (line: number): ImageKind => kinds[line % kinds.length] ?? 'plain';

/** A customer of a batch, who perhaps changes their mind. */
export async function beBatchCustomer(api: Loraloom, ask: BatchAsk, key: string, hookUrl: string): Promise<AskedBatch> {
  const { lines, cancelAfterSeconds } = ask;
  const texts = Array.from({ length: lines }, (_, i) =>
    JSON.stringify({ custom_id: `line ${i}`, ...imageKinds[kindOf(i)].request([]) }),
  );
  const bytes = new TextEncoder().encode(texts.join('\n'));
  const upload = () => api.files.upload(bytes, { name: 'lines.jsonl', contentType: 'application/jsonl' });
  const file = await insist(upload, mostAttempts);
  const create = () => api.batches.create({ input_file_id: file.id, webhook_url: hookUrl }, { idempotencyKey: key });
  const { id } = await insist<BatchView>(create, mostAttempts);
  if (cancelAfterSeconds === undefined) return { id, lines, canceled: false };
  await sleep(1000 * cancelAfterSeconds);
  const cancel = () =>
    api.batches.cancel(id).catch((error) => {
      if (error.code !== 'already_finished') throw error;
    });
  await insist(cancel, mostAttempts);
  return { id, lines, canceled: true };
}

const lineSchema = z.object({ id: z.string().nullable(), custom_id: z.string() });

/** A batch ends; each of its lines is written down once, as its one job ended, with the pictures that it gives undisturbed. */
export async function wrongsOfBatch(
  bucket: Bucket,
  tenant: string,
  { id, lines, canceled }: AskedBatch,
  jobs: ReadonlyMap<string, JobRecord>,
  results: Results,
): Promise<{ wrongs: string[]; jobs: string[]; end: { id: string; object: 'batch'; status: string } }> {
  const batch = await readBatch(bucket, tenant, id);
  const status = batch?.status ?? 'queued';
  const wrongs: string[] = [];
  if (!batch || !isFinalBatch(batch.status)) wrongs.push(`${id} is ${batch?.status} for ever`);
  else if (status !== 'succeeded' && !(status === 'canceled' && canceled)) wrongs.push(`${id} ended as ${status}`);
  const written = async (key: string) => {
    const found = await bucket.getBytes(key);
    const text = new TextDecoder().decode(found?.bytes).trimEnd();
    return text === '' ? [] : text.split('\n').map((line) => lineSchema.parse(JSON.parse(line)));
  };
  const made = await written(keys.batchOutput(tenant, id));
  const unmade = await written(keys.batchErrors(tenant, id));
  const all = [...made, ...unmade];
  const names = new Set(all.map(({ custom_id }) => custom_id));
  // One that was canceled before anybody looked at its lines has none.
  if (all.length !== names.size || (names.size !== lines && !(canceled && names.size === 0)))
    wrongs.push(`${id} has ${all.length} lines written down, ${names.size} of ${lines}`);
  for (const { id: jobId, custom_id } of made) {
    const job = jobs.get(jobId ?? '');
    if (job?.status !== 'succeeded') wrongs.push(`${custom_id} of ${id} is written down as made, and is ${job?.status}`);
    else {
      const kind = { image: kindOf(Number(custom_id.split(' ')[1])) };
      const result = await resultOf(bucket, tenant, parseJob(JSON.stringify(job))).catch((error: unknown) => String(error));
      if (result !== results.get(JSON.stringify(kind))) wrongs.push(`${custom_id} of ${id} gave another result: ${result}`);
    }
  }
  if (!canceled && unmade.length > 0) wrongs.push(`${unmade.length} lines of ${id} were not made`);
  return { wrongs, jobs: all.flatMap((line) => line.id ?? []), end: { id, object: 'batch', status } };
}
