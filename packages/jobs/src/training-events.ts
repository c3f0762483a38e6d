import type { Bucket } from './bucket/port.ts';
import { keys } from './keys.ts';
import { type TrainingEvent, trainingEventSchema } from './training.ts';

/** Parts that one answer holds: some thousand steps. */
const most = 50;

/**
 * What has happened in a training behind the part `after`, oldest first, at most fifty parts of it at a time.
 * @returns `next`, the last part read: the `after` of whoever asks again
 */
export async function readTrainingEvents(
  bucket: Bucket,
  tenant: string,
  id: string,
  after?: string,
): Promise<{ events: TrainingEvent[]; next: string | null }> {
  const folder = keys.events(tenant, id);
  const ending = '.ndjson';
  const { keys: found } = await bucket.list(folder, {
    limit: most,
    ...(after === undefined ? {} : { after: `${folder}${after}${ending}` }),
  });
  const parts = await Promise.all(found.map(({ key }) => bucket.getBytes(key)));
  const lines = parts.flatMap((part) => new TextDecoder().decode(part?.bytes).split('\n').filter(Boolean));
  const last = found.at(-1)?.key.slice(folder.length, -ending.length);
  return { events: lines.map((line) => trainingEventSchema.parse(JSON.parse(line))), next: last ?? after ?? null };
}
