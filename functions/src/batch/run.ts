import {
  type Admit,
  acceptImage,
  type BatchRecord,
  type BatchRequest,
  type CreateServices,
  cancelJob,
  createRecord,
  derivedId,
  estimateOf,
  type ImageRecord,
  images,
  isFinal,
  keys,
  RequestError,
  readJob,
  tellEnd,
  type Work,
} from '@loraloom/jobs';
import { admission } from '../admission.ts';
import type { Caller } from '../caller.ts';
import { ApiError } from '../error.ts';
import type { Line } from './lines.ts';
import { rememberingBucket } from './memo.ts';
import { type LineEnd, type Results, readLines, readResults, resultsOf } from './results.ts';
import { activeChunks, type BatchServices, callsAtOnce, chunkLines } from './services.ts';

type Active = BatchRecord['fanout']['active'][number];
type Fanout = BatchRecord['fanout'];

/**
 * Moves a batch on by one tick: submits what is begun and not yet submitted, looks what has ended, writes down the chunks of
 * which all has, begins others in their place. Every write may be repeated, by this tick or another.
 * @returns what becomes of the record
 */
export async function run(services: BatchServices, tenant: string, batch: BatchRecord): Promise<Partial<BatchRecord>> {
  const { fanout } = batch;
  const admit = admissionOf(services, tenant, batch.id);
  const seen = await Promise.all(fanout.active.map((active) => runChunk(services, admit, tenant, batch, active)));
  const next: Fanout = { ...fanout, settled: { ...fanout.settled }, active: [] };
  const work = { ...batch.work };
  const live = { running: 0, succeeded: 0, failed: 0, canceled: 0 };
  for (const [i, active] of fanout.active.entries()) {
    const outcome = seen[i];
    if (!outcome) continue;
    if ('states' in outcome) {
      next.active.push({ ...active, submitted: outcome.submitted });
      for (const status of outcome.states) if (status !== 'queued') live[status]++;
    } else {
      for (const name of ['succeeded', 'failed', 'canceled'] as const) next.settled[name] += outcome.counts[name];
      add(work, outcome.work);
      next.output_bytes += byteLength(outcome.output);
      next.errors_bytes += byteLength(outcome.errors);
    }
  }
  await begin(services, tenant, { ...batch, work, fanout: next });
  const idle = next.active.length === fanout.active.length && next.next === fanout.next;
  next.idle = idle ? fanout.idle + 1 : 0;
  const { total } = batch.request_counts;
  const { running } = live;
  const succeeded = next.settled.succeeded + live.succeeded;
  const failed = next.settled.failed + live.failed;
  const canceled = next.settled.canceled + live.canceled;
  return {
    work,
    request_counts: { total, queued: total - running - succeeded - failed - canceled, running, succeeded, failed, canceled },
    fanout: next,
    ...(next.active.length === 0 && next.next === next.chunks ? { status: 'finalizing' as const } : {}),
  };
}

/** How lines are charged for: as single requests are; once the tenant has enough under way, the rest of the tick asks no more. */
function admissionOf(services: BatchServices, tenant: string, batchId: string): Admit {
  const caller: Caller = { tenant, id: batchId, scopes: ['images'], batch: true };
  const admit = admission(services, caller);
  let full: ApiError | undefined;
  return async (job) => {
    if (full) throw full;
    try {
      return await admit(job);
    } catch (error) {
      if (isFull(error)) full = error;
      throw error;
    }
  };
}

const isFull = (error: unknown): error is ApiError => error instanceof ApiError && error.code === 'too_many_jobs';

/** Lines of a chunk that are seen to at a time. */
const handful = callsAtOnce / activeChunks;

/** Moves one chunk on. @returns its results if all of it has ended, else how its jobs stand, and whether all are there */
async function runChunk(
  services: BatchServices,
  admit: Admit,
  tenant: string,
  batch: BatchRecord,
  active: Active,
): Promise<Results | { states: ImageRecord['status'][]; submitted: boolean }> {
  const { bucket, queues } = services;
  const done = await readResults(bucket, tenant, batch.id, active.chunk);
  if (done) return done;
  const lines = await readLines(bucket, tenant, batch.id, active.chunk);
  const to = { bucket: rememberingBucket(bucket), queues, admit, ...(batch.trace ? { trace: batch.trace } : {}) };
  const ends: (ImageRecord | LineEnd)[] = [];
  for (let at = 0; at < lines.length; at += handful) {
    const some = await Promise.all(
      lines.slice(at, at + handful).map((line, i) => {
        const place = at + i;
        return place < active.lines ? runLine(services, to, tenant, batch, active, line, place) : notBegun(batch);
      }),
    );
    ends.push(...some);
    // Jobs are begun in order. When none of a handful has ended, hardly any of those behind has; and that the chunk has not, is sure.
    const rest = lines.length - ends.length;
    if (active.submitted && !batch.cancel_requested && !some.some(({ status }) => isFinal(status)))
      return { states: [...ends.map(({ status }) => status), ...Array<'queued'>(rest).fill('queued')], submitted: true };
  }
  if (!ends.every(({ status }) => isFinal(status))) {
    return { states: ends.map(({ status }) => status), submitted: ends.every((end) => end.id === null || 'output' in end) };
  }
  const results = resultsOf(lines, ends);
  if (await createRecord(bucket, keys.batchResults(tenant, batch.id, active.chunk), results)) return results;
  // Another tick was quicker, and what it saw counts.
  return (await readResults(bucket, tenant, batch.id, active.chunk)) ?? results;
}
/** A line's job: submitted if it is not there, canceled if the batch is. Its id follows from the line: there is never another. */
async function runLine(
  { bucket, queues, log }: BatchServices,
  to: Omit<CreateServices, 'report'>,
  tenant: string,
  batch: BatchRecord,
  { chunk, since }: Active,
  line: Line,
  place: number,
): Promise<ImageRecord | LineEnd> {
  if (line.refused) return { id: null, status: 'failed', error: line.refused };
  const id = await derivedId('image', Date.parse(since), `${batch.id}:${chunk * chunkLines + place}`);
  const report = (error: unknown) => log({ level: 'warn', message: `not yet sent: ${error}`, id });
  let job = await readJob(bucket, images, tenant, id);
  if (!job) {
    try {
      job = await acceptImage({ ...to, report }, tenant, line.request, id);
    } catch (error) {
      // The tenant has enough under way: a later tick asks again.
      if (isFull(error)) return { id, status: 'queued', error: null };
      const refused = error instanceof RequestError || (error instanceof ApiError && error.code === 'quota_exceeded');
      if (!refused) throw error;
      // What was there when the batch was checked is there no longer, or is used up.
      return { id: null, status: 'failed', error: { code: error.code, message: error.message, param: error.param } };
    }
  }
  if (!batch.cancel_requested || isFinal(job.status) || job.cancel_requested) return job;
  // Even one that was submitted only now is canceled rather than left out: another tick may be about to submit it.
  const canceled = await cancelJob(bucket, images, tenant, id).catch((error) => {
    if (error instanceof RequestError && error.code === 'already_finished') return readJob(bucket, images, tenant, id);
    throw error;
  });
  if (canceled) await tellEnd(bucket, queues.webhooks, tenant, canceled).catch(report);
  return canceled ?? job;
}

function notBegun({ fanout }: BatchRecord): LineEnd {
  const error = fanout.over_budget
    ? { code: 'budget_reached', message: 'the budget of the batch was used up before this line', param: 'budget' }
    : { code: 'canceled', message: 'the batch was canceled before this line', param: null };
  return { id: null, status: 'canceled', error };
}

/** Chunks of which nothing is submitted any more that are written down in one tick. */
const chunksLeftOut = 64;

/** Begins chunks in `fanout`, as many as may be under way; all that are left once the batch is canceled or over its budget. */
async function begin({ bucket, prices }: BatchServices, tenant: string, batch: BatchRecord): Promise<void> {
  const { id, request, fanout, work } = batch;
  const since = new Date().toISOString();
  while (fanout.next < fanout.chunks) {
    const chunk = fanout.next;
    const stopped = batch.cancel_requested || fanout.over_budget;
    if (fanout.active.length >= (stopped ? chunksLeftOut : activeChunks)) return;
    const begun: Active = {
      chunk,
      since,
      lines: stopped ? 0 : chunkLines,
      submitted: false,
      work: { images: 0, megapixel_steps: 0 },
    };
    if (!stopped && request.budget) {
      const spent = { ...work };
      for (const active of fanout.active) add(spent, active.work);
      const lines = await readLines(bucket, tenant, id, chunk);
      const fit = lines.findIndex((line) => !affordable(add(spent, line.work), request.budget, prices));
      begun.lines = fit < 0 ? lines.length : fit;
      for (const line of lines.slice(0, begun.lines)) add(begun.work, line.work);
      if (fit >= 0) {
        // Some that are under way may yet fail, and cost nothing.
        if (fanout.active.length > 0) return;
        fanout.over_budget = true;
      }
    }
    fanout.active.push(begun);
    fanout.next++;
  }
}

function affordable(work: Work, budget: BatchRequest['budget'], prices: BatchServices['prices']): boolean {
  const { estimated_cost } = estimateOf(work, prices);
  return work.images <= (budget?.max_images ?? Infinity) && (estimated_cost ?? 0) <= (budget?.max_cost ?? Infinity);
}

function add(sum: Work, more: Work): Work {
  sum.images += more.images;
  sum.megapixel_steps += more.megapixel_steps;
  return sum;
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
