import { type BatchRecord, type Bucket, keys } from '@loraloom/jobs';
import { makeZip, predictLength } from 'client-zip';
import pMap, { pMapIterable } from 'p-map';
import { type Results, readResults } from './results.ts';
import { callsAtOnce } from './services.ts';

/**
 * Writes one of the files that a finished batch consists of: each zip of pictures in a tick of its own, the lines last. All of
 * it streams through, so that nothing grows with the batch; repeating it writes the same.
 * @returns what becomes of the record
 */
export async function finish(bucket: Bucket, tenant: string, batch: BatchRecord): Promise<Partial<BatchRecord>> {
  const { fanout, id } = batch;
  const missing = fanout.archives.findIndex(({ size_bytes }) => size_bytes === null);
  const archive = fanout.archives[missing];
  if (archive) {
    const written = await writeArchive(bucket, tenant, id, missing, archive);
    return { fanout: { ...fanout, idle: 0, archives: fanout.archives.with(missing, { ...archive, ...written }) } };
  }
  const all = { first: 0, last: fanout.chunks - 1 };
  await writeTexts(bucket, keys.batchOutput(tenant, id), fanout.output_bytes, texts(bucket, tenant, id, all, 'output'));
  await writeTexts(bucket, keys.batchErrors(tenant, id), fanout.errors_bytes, texts(bucket, tenant, id, all, 'errors'));
  const finished_at = new Date().toISOString();
  if (fanout.over_budget) {
    const message = `${batch.request_counts.canceled} lines were not begun: the budget would not have paid for the next`;
    return { status: 'canceled', finished_at, error: { code: 'budget_reached', message, param: 'budget' } };
  }
  return { status: batch.cancel_requested ? 'canceled' : 'succeeded', finished_at };
}

type Chunks = { first: number; last: number };

/** The results of some chunks in order, a few of them read ahead. */
function resultsOfChunks(bucket: Bucket, tenant: string, id: string, { first, last }: Chunks): AsyncIterable<Results> {
  const chunks = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  return pMapIterable(
    chunks,
    async (chunk) => {
      const results = await readResults(bucket, tenant, id, chunk);
      if (!results) throw new Error(`${id} has no results of chunk ${chunk}`);
      return results;
    },
    { concurrency: 8 },
  );
}

async function* texts(bucket: Bucket, tenant: string, id: string, chunks: Chunks, part: 'output' | 'errors') {
  const encoder = new TextEncoder();
  for await (const results of resultsOfChunks(bucket, tenant, id, chunks)) {
    if (results[part] !== '') yield encoder.encode(results[part]);
  }
}

async function writeTexts(bucket: Bucket, key: string, size: number, parts: AsyncGenerator<Uint8Array>): Promise<void> {
  if (size > 0) await bucket.put(key, { stream: streamOf(parts), size }, { contentType: 'application/jsonl' });
}

/** Pictures are stored as they are (PNG is deflated already), and no two of them need be in memory at once, bar a few read ahead. */
async function writeArchive(bucket: Bucket, tenant: string, id: string, archive: number, chunks: Chunks) {
  const listed: Results['pictures'] = [];
  for await (const { pictures } of resultsOfChunks(bucket, tenant, id, chunks)) listed.push(...pictures);
  const found = await pMap(
    listed,
    async ({ name, key }) => {
      const size = (await bucket.head(key))?.size;
      return size === undefined ? [] : [{ name, key, size }];
    },
    { concurrency: callsAtOnce },
  );
  // A picture that somebody deleted meanwhile is left out.
  const pictures = found.flat();
  if (pictures.length === 0) return { images: 0, size_bytes: 0 };
  // The same time in every archive of the same pictures, so that writing it twice writes the same bytes.
  const lastModified = new Date(Date.UTC(2000, 0, 1));
  const size = Number(predictLength(pictures.map((picture) => ({ name: picture.name, size: picture.size, lastModified }))));
  const files = pMapIterable(
    pictures,
    async ({ name, key, size: wanted }) => {
      const picture = await bucket.getBytes(key);
      if (picture?.size !== wanted) throw new Error(`${key} has changed while it was archived`);
      return { name, input: picture.bytes, size: wanted, lastModified };
    },
    { concurrency: 4, backpressure: 8 },
  );
  const stream = makeZip(files);
  await bucket.put(keys.batchArchive(tenant, id, archive), { stream, size }, { contentType: 'application/zip' });
  return { images: pictures.length, size_bytes: size };
}

function streamOf(parts: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await parts.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await parts.return(undefined);
    },
  });
}
