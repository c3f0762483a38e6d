import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bucket } from '@loraloom/jobs';

/** An object of the bucket, what it must be, and where on this disk it shall lie. */
export interface Wanted {
  key: string;
  target: string;
  sizeBytes: number;
  /** hex */
  sha256: string;
}

const tries = 4;

/**
 * Downloads objects, several ranges at once: one stream of S3 brings tens of megabytes a second, a GPU machine's network takes
 * over a thousand. Each range goes straight to its place in the file and, in its turn, into the digest, so that neither a file nor
 * more than `connections` ranges are ever in memory.
 * @throws Error naming the object that is missing, or is not what it must be
 */
export async function download(
  bucket: Bucket,
  objects: readonly Wanted[],
  { connections = 16, rangeBytes = 8 * 2 ** 20 }: { connections?: number; rangeBytes?: number } = {},
): Promise<void> {
  const files = await Promise.all(objects.map((wanted) => openFile(wanted, rangeBytes)));
  // One line of ranges for all files, so that the end of one and the small ones leave no connection idle.
  const ranges = files.flatMap((file) => Array.from({ length: file.ranges }, (_, index) => ({ file, index }))).values();
  const failed = new AbortController();
  const take = async () => {
    const buffer = new Uint8Array(rangeBytes);
    for (const { file, index } of ranges) {
      if (failed.signal.aborted) return;
      await takeRange(bucket, file, index, buffer);
    }
  };
  try {
    await Promise.all(
      Array.from({ length: connections }, () =>
        take().catch((error: unknown) => {
          failed.abort(error);
          // Whoever waits for a turn after this one waits in vain.
          for (const { turns } of files) for (const turn of turns) turn.reject(error);
          throw error;
        }),
      ),
    );
    for (const { wanted, hash } of files) {
      if (hash.digest('hex') !== wanted.sha256) throw new Error(`${wanted.key} does not have the digest that it must`);
    }
  } finally {
    await Promise.all(files.map(({ handle }) => handle.close()));
  }
}

type OpenFile = Awaited<ReturnType<typeof openFile>>;

/** A file with its size and nothing in it yet. */
async function openFile(wanted: Wanted, rangeBytes: number) {
  await mkdir(dirname(wanted.target), { recursive: true });
  const handle = await open(wanted.target, 'wx');
  await handle.truncate(wanted.sizeBytes);
  const ranges = Math.ceil(wanted.sizeBytes / rangeBytes);
  /** The n-th resolves when n ranges are in the digest. */
  const turns = Array.from({ length: ranges + 1 }, () => Promise.withResolvers<void>());
  for (const { promise } of turns) promise.catch(() => undefined);
  turns[0]?.resolve();
  return { wanted, handle, ranges, turns, hash: createHash('sha256') };
}

/** @param buffer of one range, written over */
async function takeRange(bucket: Bucket, { wanted, handle, turns, hash }: OpenFile, index: number, buffer: Uint8Array) {
  const start = index * buffer.length;
  const bytes = buffer.subarray(0, Math.min(buffer.length, wanted.sizeBytes - start));
  await fill(bytes, bucket, wanted, start);
  await writeAll(handle, bytes, start);
  await turns[index]?.promise;
  hash.update(bytes);
  turns[index + 1]?.resolve();
}

/** Fills `bytes` with those from `start` on; a connection that breaks in the middle is begun again. */
async function fill(bytes: Uint8Array, bucket: Bucket, { key, sizeBytes }: Wanted, start: number): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      const found = await bucket.get(key, { range: { start, end: start + bytes.length - 1 } });
      if (!found) throw new NotAsWanted(`${key} is not in the bucket`);
      if (found.size !== sizeBytes) {
        await found.body.cancel();
        throw new NotAsWanted(`${key} has ${found.size} bytes, where it must have ${sizeBytes}`);
      }
      let filled = 0;
      for await (const chunk of found.body) {
        bytes.set(chunk, filled);
        filled += chunk.length;
      }
      if (filled === bytes.length) return;
      throw new Error(`${key}: ${filled} bytes of the ${bytes.length} from ${start} came`);
    } catch (error) {
      if (error instanceof NotAsWanted || attempt === tries) throw error;
      await sleep(Math.random() * 100 * 2 ** attempt);
    }
  }
}

/** Asking again would not help. */
class NotAsWanted extends Error {}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await handle.write(bytes, written, bytes.length - written, position + written)).bytesWritten;
  }
}
