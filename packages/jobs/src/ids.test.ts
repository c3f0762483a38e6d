import { expect, test } from 'vitest';
import { fileIdSchema, idSeed, idTime, imageIdSchema, loraIdSchema, newId, trainingIdSchema } from './ids.ts';

test.each([
  ['training', trainingIdSchema],
  ['image', imageIdSchema],
  ['file', fileIdSchema],
  ['lora', loraIdSchema],
] as const)('a new %s id fits its own schema and no other', (kind, schema) => {
  for (const [otherKind, otherSchema] of [
    ['training', trainingIdSchema],
    ['image', imageIdSchema],
    ['file', fileIdSchema],
    ['lora', loraIdSchema],
  ] as const) {
    expect(schema.safeParse(newId(otherKind)).success).toBe(kind === otherKind);
    expect(otherSchema.safeParse(newId(kind)).success).toBe(kind === otherKind);
  }
});

test.each([
  '',
  'trn_',
  'trn_../../../../../../../../x',
  'trn_7yt09zhw3gq8m5tr1vkd2xcfa',
  'trn_8yt09zhw3gq8m5tr1vkd2xcfaj',
  'TRN_7yt',
])('refuses %j', (id) => expect(trainingIdSchema.safeParse(id).success).toBe(false));

test('ids sort newest first, down to the millisecond, and tell their time', () => {
  const times = [0, 1, 31, 32, 1_700_000_000_000, 1_700_000_000_001, 2 ** 48 - 1];
  const ids = times.map((time) => newId('training', time));
  expect([...ids].sort()).toEqual([...ids].reverse());
  expect(ids.map(idTime)).toEqual(times);
});

test('the time part is 2^48 − 1 − milliseconds in base 32', () => {
  // 2^48 − 1 is 7 followed by nine z in base 32; 2^48 − 1 − 33 is ….y.y at the end (31·32 + 31 − 33 = 30·32 + 30).
  expect(newId('image', 0).slice(4, 14)).toBe('7zzzzzzzzz');
  expect(newId('image', 33).slice(4, 14)).toBe('7zzzzzzzyy');
});

test('ids differ, and use all 32 characters evenly', () => {
  const ids = Array.from({ length: 2000 }, () => newId('file', 0));
  expect(new Set(ids).size).toBe(2000);
  const counts = new Map<string, number>();
  for (const id of ids) for (const character of id.slice(-16)) counts.set(character, (counts.get(character) ?? 0) + 1);
  expect(counts.size).toBe(32);
  // 1,000 expected of each; the standard deviation is 31.
  for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(200);
});

test('a seed belongs to its id, and is the last 32 bits of it', () => {
  expect(idSeed('trn_7yt09zhw3gq8m5tr1vk0000000')).toBe(0);
  expect(idSeed('trn_7yt09zhw3gq8m5tr1vk0000010')).toBe(32);
  expect(idSeed('trn_7yt09zhw3gq8m5tr1vkzzzzzzz')).toBe(2 ** 32 - 1);
});
