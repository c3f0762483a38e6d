import { beforeEach, expect, test } from 'vitest';
import { type AuditEntry, auditEntrySchema, gatherAudit, listAudit, putAudit } from './audit.ts';
import { memoryBucket } from './bucket/memory.ts';
import type { Bucket } from './bucket/port.ts';
import { newId } from './ids.ts';
import { keys } from './keys.ts';

let bucket: Bucket;
beforeEach(() => {
  bucket = memoryBucket();
});

const noon = Date.parse('2026-11-24T12:00:00Z');
const day = '2026-11-24';
const dayAfter = Date.parse('2026-11-25T00:11:00Z');

const entryAt = (time: number): AuditEntry => ({
  id: newId('audit', time),
  object: 'audit',
  created_at: new Date(time).toISOString(),
  request_id: 'r',
  caller: 'key_1',
  ip: null,
  method: 'POST',
  path: '/v1/images',
  status: 202,
  code: null,
  milliseconds: 5,
  prompt: 'red apple\nand a line’s end',
});

async function put(count: number, from = noon, tenant = 'alpha') {
  const entries = Array.from({ length: count }, (_, i) => entryAt(from + i * 1000));
  for (const entry of entries) await putAudit(bucket, tenant, entry);
  return entries.toReversed();
}

async function listed(limit = 100, tenant = 'alpha'): Promise<AuditEntry[]> {
  const found: AuditEntry[] = [];
  let after: string | undefined;
  do {
    const page = await listAudit(bucket, tenant, day, { after, limit });
    expect(page.data.length).toBeLessThanOrEqual(limit);
    found.push(...page.data);
    after = page.next;
  } while (after !== undefined);
  return found;
}

const singles = async () => (await bucket.list('audit/entries/')).keys.length;

test('entries are listed newest first in pages, whether gathered or not, and by their own tenant and day alone', async () => {
  const old = await put(7);
  await put(1, Date.parse('2026-11-23T23:59:59Z'));
  await put(2, noon, 'beta');
  expect(await listed(3)).toEqual(old);
  expect(await gatherAudit(bucket, dayAfter)).toBe(10);
  expect(await singles()).toBe(0);
  expect(await listed(3)).toEqual(old);
  // One whose request took long: it lies between the gathered ones.
  const late = entryAt(noon + 2500);
  await putAudit(bucket, 'alpha', late);
  const all = [...old, late].sort((a, b) => (a.id < b.id ? -1 : 1));
  for (const limit of [1, 2, 3, 8, 100]) expect(await listed(limit)).toEqual(all);
  expect(await gatherAudit(bucket, dayAfter)).toBe(1);
  expect(await listed(2)).toEqual(all);
  expect(await listed(100, 'beta')).toHaveLength(2);
});

test('a day’s file is one entry a line', async () => {
  const entries = await put(3);
  await gatherAudit(bucket, dayAfter);
  const file = await bucket.getBytes(keys.auditDay('alpha', day));
  const lines = new TextDecoder().decode(file?.bytes).split('\n');
  expect(lines.pop()).toBe('');
  expect(lines.map((line) => auditEntrySchema.parse(JSON.parse(line)))).toEqual(entries);
});

test('today’s entries wait until there are a thousand, or the day is over', async () => {
  await put(3);
  expect(await gatherAudit(bucket, Date.parse('2026-11-25T00:09:00Z'))).toBe(0);
  expect(await gatherAudit(bucket, dayAfter)).toBe(3);
  await put(1001, Date.parse('2026-11-25T00:00:00Z'));
  expect(await gatherAudit(bucket, dayAfter)).toBe(1000);
  expect(await singles()).toBe(1);
});

test('killed at any point and begun again, or beside another, gathering neither loses nor doubles', async () => {
  const entries = await put(5);
  for (let kill = 0; ; kill++) {
    let calls = 0;
    const dying = new Proxy(bucket, {
      get(target, name: keyof Bucket) {
        return (...given: never[]) => {
          if (calls++ >= kill) throw new Error('killed');
          return (target[name] as (...given: never[]) => unknown)(...given);
        };
      },
    });
    const ended = await gatherAudit(dying, dayAfter).then(
      () => true,
      () => false,
    );
    expect(await listed(2)).toEqual(entries);
    if (ended) break;
    expect(kill).toBeLessThan(100);
  }
  const more = await put(4, noon + 60_000);
  await Promise.all([gatherAudit(bucket, dayAfter), gatherAudit(bucket, dayAfter)]);
  await gatherAudit(bucket, dayAfter);
  expect(await listed(4)).toEqual([...more, ...entries]);
  expect(await singles()).toBe(0);
});
