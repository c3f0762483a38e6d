import { z } from 'zod';
import type { Bucket } from './bucket/port.ts';
import { type JobFolder, keys } from './keys.ts';
import { putRecord, readRecord } from './record.ts';

/** How fast a worker ends jobs while it has some: written by the worker, for estimates. */
const paceSchema = z.object({ jobs_per_second: z.number().positive(), measured_at: z.iso.datetime() });

/** Seconds after which a worker that has said nothing counts as gone. */
const forgottenSeconds = 120;

export async function reportPace(bucket: Bucket, folder: JobFolder, worker: string, jobsPerSecond: number): Promise<void> {
  const pace = { jobs_per_second: jobsPerSecond, measured_at: new Date().toISOString() };
  await putRecord(bucket, keys.pace(folder, worker), pace);
}

/** Jobs of a kind that all workers together end in a second; undefined if none has ended one lately. */
export async function readPace(bucket: Bucket, folder: JobFolder, now = Date.now()): Promise<number | undefined> {
  const { keys: found } = await bucket.list(keys.paces(folder), { limit: 100 });
  const paces = await Promise.all(found.map(({ key }) => readRecord(bucket, key, paceSchema)));
  const recent = paces.flatMap((stored) => {
    const lately = stored && now - Date.parse(stored.record.measured_at) < 1000 * forgottenSeconds;
    return lately ? [stored.record.jobs_per_second] : [];
  });
  return recent.length === 0 ? undefined : recent.reduce((sum, pace) => sum + pace, 0);
}
