import { expect, test, vi } from 'vitest';
import { z } from 'zod';
import { memoryBucket } from './bucket/memory.ts';
import { type Bucket, PreconditionFailed } from './bucket/port.ts';
import { BadTransition, createRecord, listFolders, NoSuchRecord, putRecord, readRecord, updateRecord } from './record.ts';

const counter = z.object({ count: z.number() });

test('a record is created once; the second creation changes nothing', async () => {
  const bucket = memoryBucket();
  expect(await createRecord(bucket, 'a', { count: 1 })).toBe(true);
  expect(await createRecord(bucket, 'a', { count: 2 })).toBe(false);
  expect((await readRecord(bucket, 'a', counter))?.record).toEqual({ count: 1 });
});

test('twenty writers at once: every change is made on top of another, none is lost', async () => {
  const bucket = memoryBucket();
  await createRecord(bucket, 'a', { count: 0 });
  const add = () => updateRecord(bucket, 'a', counter, ({ count }) => ({ count: count + 1 }));
  const seen = await Promise.all(Array.from({ length: 20 }, add));
  expect((await readRecord(bucket, 'a', counter))?.record).toEqual({ count: 20 });
  expect(seen.map(({ count }) => count).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
});

test('gives up after twenty lost races instead of spinning', async () => {
  const bucket = memoryBucket();
  await createRecord(bucket, 'a', { count: 0 });
  let puts = 0;
  const contested: Bucket = {
    ...bucket,
    put: async (key) => {
      puts++;
      throw new PreconditionFailed(key);
    },
  };
  vi.useFakeTimers();
  const refused = expect(updateRecord(contested, 'a', counter, () => ({ count: 1 }))).rejects.toThrow(PreconditionFailed);
  await vi.runAllTimersAsync();
  await refused;
  vi.useRealTimers();
  expect(puts).toBe(20);
});

test('no change, no write', async () => {
  const bucket = memoryBucket();
  await createRecord(bucket, 'a', { count: 1 });
  const before = await bucket.head('a');
  await updateRecord(bucket, 'a', counter, () => undefined);
  await updateRecord(bucket, 'a', counter, (same) => same);
  expect(await bucket.head('a')).toEqual(before);
});

test('a record that is not there cannot be changed', async () => {
  await expect(updateRecord(memoryBucket(), 'a', counter, (c) => c)).rejects.toThrow(NoSuchRecord);
});

test('what is not such a record is refused, when read and when written', async () => {
  const bucket = memoryBucket();
  await putRecord(bucket, 'a', { count: 'one' });
  await expect(readRecord(bucket, 'a', counter)).rejects.toThrow(z.ZodError);
  await putRecord(bucket, 'a', { count: 1 });
  await expect(updateRecord(bucket, 'a', counter, () => ({ count: Number.NaN }))).rejects.toThrow(z.ZodError);
  expect((await readRecord(bucket, 'a', counter))?.record).toEqual({ count: 1 });
});

const job = z.object({ id: z.string(), status: z.string(), cancel_requested: z.boolean(), attempts: z.number() });
const queued = { id: 'x', status: 'queued', cancel_requested: false, attempts: 0 };
const running = { ...queued, status: 'running', attempts: 1 };

test.each([
  ['queued → running', queued, running, true],
  ['queued → canceled', queued, { ...queued, status: 'canceled' }, true],
  ['queued → failed', queued, { ...queued, status: 'failed' }, true],
  ['running → running, next attempt', running, { ...running, attempts: 2 }, true],
  ['running → succeeded', running, { ...running, status: 'succeeded' }, true],
  ['running → queued', running, { ...running, status: 'queued' }, false],
  ['fewer attempts', running, { ...running, attempts: 0 }, false],
  ['another id', running, { ...running, id: 'y' }, false],
  ['a cancel taken back', { ...running, cancel_requested: true }, running, false],
  ['succeeded → running', { ...running, status: 'succeeded' }, running, false],
  ['succeeded → failed', { ...running, status: 'succeeded' }, { ...running, status: 'failed' }, false],
  ['failed → succeeded', { ...running, status: 'failed' }, { ...running, status: 'succeeded' }, false],
  ['canceled → canceled with a change', { ...queued, status: 'canceled' }, { ...queued, status: 'canceled', attempts: 1 }, false],
])('%s', async (_, before, after, allowed) => {
  const bucket = memoryBucket();
  await createRecord(bucket, 'a', before);
  const update = updateRecord(bucket, 'a', job, () => after);
  if (allowed) expect(await update).toEqual(after);
  else await expect(update).rejects.toThrow(BadTransition);
  expect((await readRecord(bucket, 'a', job))?.record).toEqual(allowed ? after : before);
});

test('folders are listed page by page, each once, also where a name is the beginning of another', async () => {
  const bucket = memoryBucket();
  // In byte order of the keys: "a-b/" < "a.b/" < "a/" < "a0/" < "ab/", since - . / 0 follow each other in ASCII.
  for (const name of ['ab', 'a', 'a0', 'a-b', 'a.b']) {
    await putRecord(bucket, `p/${name}/record.json`, {});
    await putRecord(bucket, `p/${name}/z.json`, {});
  }
  await putRecord(bucket, 'q/other/record.json', {});
  const names: string[] = [];
  for (let after: string | undefined, i = 0; i < 9; i++) {
    const page = await listFolders(bucket, 'p/', { after, limit: 2 });
    expect(page.names.length).toBeLessThanOrEqual(2);
    names.push(...page.names);
    after = page.next;
    if (after === undefined) break;
  }
  expect(names).toEqual(['a-b', 'a.b', 'a', 'a0', 'ab']);
});
