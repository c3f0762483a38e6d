import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bucket } from '@loraloom/jobs';
import { memoryBucket } from '@loraloom/jobs/bucket/memory';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { download, type Wanted } from './download.ts';

let folder: string;
let bucket: Bucket;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'download-'));
  bucket = memoryBucket();
});
afterEach(() => rm(folder, { recursive: true }));

/** Puts random bytes of each size into the bucket. */
async function objects(...sizes: number[]) {
  return Promise.all(
    sizes.map(async (sizeBytes, i) => {
      const bytes = randomBytes(sizeBytes);
      await bucket.put(`file-${i}`, bytes);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      return { bytes, wanted: { key: `file-${i}`, target: join(folder, `deep/${i}`), sizeBytes, sha256 } satisfies Wanted };
    }),
  );
}
const ways = { connections: 4, rangeBytes: 1000 };
type Get = Bucket['get'];

test('ranges that come in any order make the files, with at most so many on the way or in memory', async () => {
  const made = await objects(12_345, 0, 1000, 1, 2001);
  let now = 0;
  let most = 0;
  let asked = 0;
  const slow: Get = async (key, options) => {
    asked++;
    most = Math.max(most, ++now);
    // The first of every four comes last.
    await sleep(asked % 4 === 1 ? 12 : 3);
    now--;
    return bucket.get(key, options);
  };
  await download(
    { ...bucket, get: slow },
    made.map(({ wanted }) => wanted),
    ways,
  );
  for (const { bytes, wanted } of made) expect((await readFile(wanted.target)).equals(bytes)).toBe(true);
  expect([asked, most]).toEqual([13 + 1 + 1 + 3, 4]);
});

test('a connection that breaks, or brings too little, is begun again', async () => {
  const [file] = await objects(3500);
  if (!file) throw new Error();
  const seen = new Map<number, number>();
  const flaky: Get = async (key, options) => {
    const start = options?.range?.start ?? 0;
    const count = (seen.get(start) ?? 0) + 1;
    seen.set(start, count);
    if (start === 1000 && count === 1) throw new Error('reset');
    const found = await bucket.get(key, options);
    const cut = start === 2000 && count === 1;
    return cut && found ? { ...found, body: new Blob([new Uint8Array(10)]).stream() } : found;
  };
  await download({ ...bucket, get: flaky }, [file.wanted], ways);
  expect((await readFile(file.wanted.target)).equals(file.bytes)).toBe(true);
  expect(Object.fromEntries(seen)).toEqual({ 0: 1, 1000: 2, 2000: 2, 3000: 1 });
});

test('what is missing, of another size or of another content is an error that names it', async () => {
  const [a, b] = await objects(5000, 5000);
  if (!a || !b) throw new Error();
  const fetchOne = (change: Partial<Wanted>) => download(bucket, [a.wanted, { ...b.wanted, ...change }], ways);
  await expect(fetchOne({ key: 'none' })).rejects.toThrow('none is not in the bucket');
  await rm(join(folder, 'deep'), { recursive: true });
  await expect(fetchOne({ sizeBytes: 4999 })).rejects.toThrow('file-1 has 5000 bytes, where it must have 4999');
  await rm(join(folder, 'deep'), { recursive: true });
  await expect(fetchOne({ sha256: a.wanted.sha256 })).rejects.toThrow('file-1 does not have the digest');
});

test('one range that cannot be had ends it all, soon', async () => {
  const made = await objects(100_000);
  let asked = 0;
  const broken: Get = async (key, options) => {
    asked++;
    if (options?.range?.start === 0) return undefined;
    return bucket.get(key, options);
  };
  await expect(
    download(
      { ...bucket, get: broken },
      made.map(({ wanted }) => wanted),
      ways,
    ),
  ).rejects.toThrow('not in the bucket');
  expect(asked).toBeLessThan(10);
});
