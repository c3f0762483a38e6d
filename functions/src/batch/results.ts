import { type Bucket, type ImageRecord, keys, readBatch, readRecord, requestCountsSchema, workSchema } from '@loraloom/jobs';
import { z } from 'zod';
import { type Line, lineSchema, type RawLine } from './lines.ts';

/** What has become of a chunk, once all of it has ended. Written once, and never changed. */
export const resultsSchema = z.object({
  /** JSONL as the batch's output and errors will hold it. */
  output: z.string(),
  errors: z.string(),
  counts: requestCountsSchema.pick({ succeeded: true, failed: true, canceled: true }),
  work: workSchema.describe('of the lines that succeeded'),
  failed: z.array(z.int()).describe('places in the chunk of the lines that failed'),
  pictures: z.array(z.object({ name: z.string(), key: z.string() })),
});
export type Results = z.infer<typeof resultsSchema>;

/** How a line has ended: as its job did, or before there was one. */
export type LineEnd =
  | Pick<ImageRecord, 'id' | 'status' | 'error'>
  | { id: null; status: 'failed' | 'canceled'; error: NonNullable<ImageRecord['error']> };

export function resultsOf(lines: Line[], ends: (ImageRecord | LineEnd)[]): Results {
  const results: Results = {
    output: '',
    errors: '',
    counts: { succeeded: 0, failed: 0, canceled: 0 },
    work: { images: 0, megapixel_steps: 0 },
    failed: [],
    pictures: [],
  };
  for (const [i, { custom_id, work }] of lines.entries()) {
    const end = ends[i];
    if (!end) continue;
    if ('output' in end && end.output && end.status === 'succeeded') {
      const images = end.output.images.map(({ key, ...picture }) => {
        const name = pictureName(custom_id, end.request.n, picture.index);
        results.pictures.push({ name, key });
        return { ...picture, file: name };
      });
      const body = { ...end, output: { ...end.output, images } };
      results.output += `${JSON.stringify({ id: end.id, custom_id, response: { status_code: 200, body }, error: null })}\n`;
      results.counts.succeeded++;
      results.work.images += work.images;
      results.work.megapixel_steps += work.megapixel_steps;
    } else {
      const canceled = end.status === 'canceled';
      const error = end.error ?? { code: 'canceled', message: 'it was canceled', param: null };
      results.errors += `${JSON.stringify({ id: end.id, custom_id, response: null, error })}\n`;
      results.counts[canceled ? 'canceled' : 'failed']++;
      if (!canceled) results.failed.push(i);
    }
  }
  return results;
}

/**
 * The name of a picture in the zip: the line's custom_id, in a folder of that name if the line has several. No two lines
 * share one, and none leads out of the folder that it is unpacked into.
 */
function pictureName(customId: string, n: number, index: number): string {
  const safe = customId.replaceAll(/[^\p{L}\p{N}._ -]|^\./gu, (character) =>
    Array.from(new TextEncoder().encode(character), (byte) => `%${byte.toString(16).padStart(2, '0').toUpperCase()}`).join(''),
  );
  return n === 1 ? `${safe}.png` : `${safe}/${index}.png`;
}

export async function readResults(bucket: Bucket, tenant: string, batch: string, chunk: number): Promise<Results | undefined> {
  return (await readRecord(bucket, keys.batchResults(tenant, batch, chunk), resultsSchema))?.record;
}

/** @throws Error if the chunk was never written */
export async function readLines(bucket: Bucket, tenant: string, batch: string, chunk: number): Promise<Line[]> {
  const found = await bucket.getBytes(keys.batchLines(tenant, batch, chunk));
  if (!found) throw new Error(`${batch} has no lines of chunk ${chunk}`);
  const texts = new TextDecoder().decode(found.bytes).trimEnd().split('\n');
  return texts.map((text) => lineSchema.parse(JSON.parse(text)));
}

/** The lines of an ended batch that failed, as they were sent. */
export async function* failedLines(bucket: Bucket, tenant: string, id: string): AsyncGenerator<RawLine> {
  const batch = await readBatch(bucket, tenant, id);
  for (let chunk = 0; chunk < (batch?.fanout.chunks ?? 0); chunk++) {
    const { failed = [] } = (await readResults(bucket, tenant, id, chunk)) ?? {};
    if (failed.length === 0) continue;
    const lines = await readLines(bucket, tenant, id, chunk);
    for (const { line, custom_id, request } of lines.filter((_, i) => failed.includes(i))) {
      yield { line, request: { custom_id, ...request } };
    }
  }
}
