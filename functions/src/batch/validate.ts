import { type BatchRecord, keys, type LineError } from '@loraloom/jobs';
import { checkedLines, maxLineErrors } from './check.ts';
import type { Line } from './lines.ts';
import { type BatchServices, callsAtOnce, chunkLines } from './services.ts';

/** Pictures that share a zip file: of 3 MB each at most, so that it stays below 4 GB, which every program can open. */
const archiveImages = 1000;

/**
 * Looks at every line of a batch and writes those that are right in chunks, each with all that its jobs need. Repeating it
 * writes the same.
 * @returns what becomes of the record: running, or failed with what is wrong with which line
 */
export async function validate(services: BatchServices, tenant: string, batch: BatchRecord): Promise<Partial<BatchRecord>> {
  const { bucket } = services;
  const errors: LineError[] = [];
  const images: number[] = [];
  let total = 0;
  let invalid = 0;
  let lines: Line[] = [];
  let writing: Promise<unknown>[] = [];
  const write = async () => {
    images.push(lines.reduce((sum, { work }) => sum + work.images, 0));
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    writing.push(bucket.put(keys.batchLines(tenant, batch.id, images.length - 1), new TextEncoder().encode(text)));
    lines = [];
    if (writing.length < callsAtOnce) return;
    await Promise.all(writing);
    writing = [];
  };
  for await (const checked of checkedLines(services, tenant, batch)) {
    if ('code' in checked) {
      invalid++;
      if (errors.length < maxLineErrors) errors.push(checked);
      continue;
    }
    total++;
    // Once a line is wrong, the others are looked at only to be able to say all that is.
    if (invalid === 0) lines.push(checked);
    if (lines.length === chunkLines) await write();
  }
  if (lines.length > 0 && invalid === 0) await write();
  await Promise.all(writing);
  const now = new Date().toISOString();
  if (invalid > 0) {
    const message = `${invalid} of ${total + invalid} lines are not right, see errors; nothing was begun`;
    return { status: 'failed', finished_at: now, error: { code: 'invalid_lines', message, param: null }, errors };
  }
  return {
    status: 'running',
    started_at: now,
    request_counts: { ...batch.request_counts, total, queued: total },
    fanout: { ...batch.fanout, chunks: images.length, archives: sharing(images) },
  };
}

/** Which chunks share an archive: as many as fit. */
function sharing(images: number[]): BatchRecord['fanout']['archives'] {
  const archives: BatchRecord['fanout']['archives'] = [];
  for (const [chunk, count] of images.entries()) {
    const last = archives.at(-1);
    if (last && last.images + count <= archiveImages) Object.assign(last, { last: chunk, images: last.images + count });
    else archives.push({ first: chunk, last: chunk, images: count, size_bytes: null });
  }
  return archives;
}
