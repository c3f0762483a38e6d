import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dynamoLimits } from '@loraloom/jobs/limits/dynamo';
import { memoryLimits } from '@loraloom/jobs/limits/memory';
import type { Limits } from '@loraloom/jobs/limits/port';
import { afterAll, describe, expect, test } from 'vitest';
import { openLimits } from './limits.ts';
import { testDynamo } from './test-dynamo.ts';

const folder = mkdtempSync(join(tmpdir(), 'limits-'));
const sqlite = openLimits(join(folder, 'limits.sqlite'));
const dynamo = testDynamo();
afterAll(() => {
  sqlite.end();
  rmSync(folder, { recursive: true });
});

const access = {
  endpoint: 'https://dynamodb.us-east-1.amazonaws.com',
  region: 'us-east-1',
  credentials: () => ({ accessKeyId: 'a', secretAccessKey: 'b' }),
  fetch: dynamo.fetch,
};
const adapters: [string, Limits][] = [
  ['memory', memoryLimits()],
  ['node:sqlite', sqlite],
  ['DynamoDB', dynamoLimits(access, 'limits')],
];

describe.each(adapters)('limits: %s', (_, limits) => {
  const one = (limit: number, n = 1) => ({ add: { requests: { n, limit } } });

  test('30 takes at once at a limit of 5: exactly 5 are admitted', async () => {
    const charges = await Promise.all(Array.from({ length: 30 }, () => limits.charge('race', one(5))));
    expect(charges.filter(({ charged }) => charged)).toHaveLength(5);
    expect(charges.filter(({ charged }) => !charged).every(({ counters }) => counters.requests === 5)).toBe(true);
    expect(await limits.read('race')).toEqual({ counters: { requests: 5 }, open: [] });
  });

  test('what does not fit is not charged in part, what fits exactly is', async () => {
    expect(await limits.charge('fit', one(10, 7))).toMatchObject({ charged: true, counters: { requests: 7 } });
    expect(await limits.charge('fit', one(10, 4))).toMatchObject({ charged: false, counters: { requests: 7 } });
    expect(await limits.charge('fit', one(10, 3))).toMatchObject({ charged: true, counters: { requests: 10 } });
    // A limit that was lowered below what is used.
    expect(await limits.charge('fit', one(5))).toMatchObject({ charged: false, counters: { requests: 10 } });
  });

  test('a first charge above the limit is refused, and leaves nothing', async () => {
    expect(await limits.charge('first', one(2, 3))).toEqual({ charged: false, repeated: false, counters: {}, open: [] });
    expect(await limits.charge('none', one(0))).toMatchObject({ charged: false });
    const open = { entry: 'a', limit: 0 };
    expect(await limits.charge('none', { add: {}, open })).toMatchObject({ charged: false });
    expect(await limits.read('first')).toEqual({ counters: {}, open: [] });
  });

  test('all counters of a charge, or none', async () => {
    const both = { add: { key: { n: 1, limit: 2 }, tenant: { n: 1, limit: 3 } } };
    const other = { add: { 'key two': { n: 1, limit: 2 }, tenant: { n: 1, limit: 3 } } };
    expect((await limits.charge('two', both)).charged).toBe(true);
    expect((await limits.charge('two', both)).charged).toBe(true);
    expect((await limits.charge('two', both)).charged).toBe(false);
    expect((await limits.charge('two', other)).charged).toBe(true);
    expect((await limits.charge('two', other)).charged).toBe(false);
    expect((await limits.read('two')).counters).toEqual({ key: 2, 'key two': 1, tenant: 3 });
  });

  test('an entry is charged once, however often and at once', async () => {
    const charge = { add: { pictures: { n: 4, limit: 100 } }, open: { entry: 'img_1', limit: 3 } };
    const charges = await Promise.all(Array.from({ length: 10 }, () => limits.charge('entry', charge)));
    expect(charges.map(({ charged }) => charged)).toEqual(Array(10).fill(true));
    expect(charges.filter(({ repeated }) => !repeated)).toHaveLength(1);
    expect(await limits.read('entry')).toEqual({ counters: { pictures: 4 }, open: ['img_1'] });
  });

  test('so many entries are open and no more, until one is closed', async () => {
    const charge = (entry: string) =>
      limits.charge('open', { add: { pictures: { n: 1, limit: 100 } }, open: { entry, limit: 5 } });
    const charges = await Promise.all(Array.from({ length: 30 }, (_, i) => charge(`img_${i}`)));
    expect(charges.filter(({ charged }) => charged)).toHaveLength(5);
    const { open, counters } = await limits.read('open');
    expect([open.length, counters]).toEqual([5, { pictures: 5 }]);
    // Full, but this one is in.
    expect(await charge(open[0] ?? '')).toMatchObject({ charged: true, repeated: true });
    await limits.close('open', open[0] ?? '');
    await limits.close('open', open[0] ?? '');
    expect(await charge('next')).toMatchObject({ charged: true, repeated: false, counters: { pictures: 6 } });
    expect(await charge('one too many')).toMatchObject({ charged: false, counters: { pictures: 6 } });
  });

  test('what came to nothing is given back, once', async () => {
    await limits.charge('back', { add: { pictures: { n: 4, limit: 10 } }, open: { entry: 'a', limit: 5 } });
    await Promise.all([1, 2, 3].map(() => limits.close('back', 'a', { pictures: 4 })));
    expect(await limits.read('back')).toEqual({ counters: { pictures: 0 }, open: [] });
    await limits.close('never', 'a', { pictures: 4 });
    expect(await limits.read('never')).toEqual({ counters: {}, open: [] });
  });
});

test('an account in SQLite is forgotten when it has expired, and not before', async () => {
  const add = { requests: { n: 1, limit: 1 } };
  const soon = Date.now() / 1000 + 1000;
  await sqlite.charge('kept', { add, expiresAt: soon });
  await sqlite.charge('over', { add, expiresAt: Date.now() / 1000 - 1 });
  expect((await sqlite.charge('kept', { add, expiresAt: soon })).charged).toBe(false);
  expect(await sqlite.read('over')).toEqual({ counters: {}, open: [] });
});

test('SQLite keeps what was charged over a restart', async () => {
  const file = join(folder, 'again.sqlite');
  const before = openLimits(file);
  await before.charge('a', { add: { n: { n: 2, limit: 2 } }, open: { entry: 'x', limit: 1 } });
  before.end();
  const after = openLimits(file);
  expect(await after.read('a')).toEqual({ counters: { n: 2 }, open: ['x'] });
  after.end();
});

test('DynamoDB: one request a change, with a time to live in whole seconds', async () => {
  dynamo.targets.length = 0;
  const limits = dynamoLimits(access, 'limits');
  await limits.charge('minute', { add: { requests: { n: 1, limit: 1 } }, expiresAt: 1_700_000_000.5 });
  await limits.charge('minute', { add: { requests: { n: 1, limit: 1 } }, expiresAt: 1_700_000_000.5 });
  expect(dynamo.targets).toEqual(Array(2).fill('DynamoDB_20120810.UpdateItem'));
  expect(dynamo.items.get('minute')).toEqual({
    account: { S: 'minute' },
    expires: { N: '1700000001' },
    'counter.requests': { N: '1' },
  });
});

test('DynamoDB: another refusal than that of the condition is an error', async () => {
  const refusing = { ...access, fetch: async () => Response.json({ __type: 'x#ResourceNotFoundException' }, { status: 400 }) };
  const charge = dynamoLimits(refusing, 'none').charge('a', { add: { n: { n: 1, limit: 1 } } });
  await expect(charge).rejects.toThrow(/UpdateItem a: 400 .*ResourceNotFound/);
});
