import { expect, test } from 'vitest';
import type { PictureHeader } from './picture-header.ts';
import { type PictureFacts, preflight, type TrainingFacts } from './preflight.ts';

const request: TrainingFacts['request'] = {
  resolution: 512,
  enable_bucket: false,
  trigger_word: 'sks',
  steps: 100,
  batch_size: 2,
  gradient_accumulation_steps: 1,
  validation_split: 0,
  prior_files: [],
};
const header = (width: number, height: number, complete = true): PictureHeader => ({ format: 'PNG', width, height, complete });
const fine: PictureFacts = { name: 'a.png', caption: 'a red apple', sha256: 'a', header: header(600, 512), look: 0n };
const others: PictureFacts[] = [1, 2, 3].map((i) => ({
  name: `${i}.png`,
  caption: `a green pear, ${i}`,
  sha256: `${i}`,
  header: header(512, 512),
  look: 0xffffn << BigInt(16 * i),
}));
const codes = (pictures: readonly PictureFacts[], change: Partial<TrainingFacts['request']> = {}) =>
  preflight({ request: { ...request, ...change }, pictures }).map(
    ({ code, severity, file }) => `${severity} ${code}${file ? ` ${file.index}` : ''}`,
  );

test('nothing is found in a good training', () => expect(codes([fine, ...others])).toEqual([]));

test.each<[string, Partial<PictureFacts>, Partial<TrainingFacts['request']>?]>([
  ['error not_a_picture', { header: null }],
  ['error picture_damaged', { header: header(512, 512, false) }],
  ['error picture_damaged', { damage: 'its data are corrupt' }],
  ['error picture_too_large', { header: header(4097, 4096) }],
  ['error picture_too_small', { header: header(255, 2000) }],
  ['error picture_too_small', { header: header(15, 15) }, { resolution: 64 }],
  ['warning picture_small', { header: header(256, 256) }],
  ['warning picture_small', { header: header(511, 600) }],
  ['warning picture_cropped', { header: header(512, 769) }],
  ['warning picture_cropped', { header: header(1600, 900) }],
  ['warning duplicate_picture', { sha256: '2', name: 'copy.png' }],
  ['warning near_duplicate_picture', { look: (0xffffn << 32n) ^ 0b11111n }],
  ['warning caption_too_long', { caption: 'word '.repeat(74) }],
  ['warning caption_too_long', { tokens: 76 }, { trigger_word: undefined }],
  ['warning trigger_word_twice', { caption: 'a cat, SKS' }],
  ['warning caption_missing', { caption: ' ' }, { trigger_word: undefined }],
  ['error caption_extension', { caption: '', strayCaption: 'a.caption' }],
])('%s', (finding, change, asked) => {
  // Behind the others, so that it is the second of two alike.
  expect(codes([...others, { ...fine, ...change }], asked)).toEqual([`${finding} 3`]);
});

test.each<[string, readonly PictureFacts[], Partial<TrainingFacts['request']>]>([
  ['error captions_missing', others.map((picture) => ({ ...picture, caption: '' })), { trigger_word: undefined }],
  [
    'warning trigger_word_absent',
    [fine, { ...fine, sha256: 'b', look: 0xffff_ffffn, caption: 'pears' }],
    { trigger_word: undefined },
  ],
  // Four pictures are two batches, as three are; with as many prior pictures they are four.
  ['warning few_steps', [fine, ...others], { steps: 19 }],
  ['warning many_steps', [fine, ...others], { steps: 2001 }],
  ['warning few_steps', [fine, ...others], { steps: 19, validation_split: 0.25 }],
  ['warning few_steps', [fine, ...others], { steps: 39, prior_files: [0] }],
])('%s', (finding, pictures, asked) => expect(codes(pictures, asked)).toEqual([finding]));

test.each<[string, Partial<PictureFacts>, Partial<TrainingFacts['request']>?]>([
  ['just large enough', { header: header(512, 512) }],
  ['as large as can be', { header: header(4096, 4096) }],
  ['a third cut off', { header: header(768, 512) }],
  ['wide, with buckets', { header: header(1600, 900) }, { enable_bucket: true }],
  ['six bits unlike', { look: (0xffffn << 32n) ^ 0b111111n }],
  ['75 tokens', { tokens: 75 }, { trigger_word: undefined }],
  ['no caption but a trigger word', { caption: '' }],
  ['the trigger word within another', { caption: 'asks' }],
])('no finding: %s', (_, change, asked) => expect(codes([...others, { ...fine, ...change }], asked)).toEqual([]));

test('nothing is concluded from what is not known', () => {
  const unknown = ['a', 'b', 'c'].map((name) => ({ name, caption: `an apple ${name}` }));
  expect(codes(unknown)).toEqual([]);
});

test('errors come first; of many alike, twenty are told and the rest is counted', () => {
  const pictures = Array.from({ length: 30 }, (_, i) => ({
    ...fine,
    sha256: `${i}`,
    look: BigInt(i) << 32n,
    header: header(300, 300),
  }));
  const found = preflight({
    request: { ...request, steps: 10 },
    pictures: [...pictures, { ...fine, header: null, sha256: 'x' }],
  });
  expect(found.map(({ code }) => code).slice(0, 2)).toEqual(['not_a_picture', 'picture_small']);
  const small = found.filter(({ code }) => code === 'picture_small');
  expect(small.length).toBe(21);
  expect(small.at(-1)).toMatchObject({ file: null, message: expect.stringContaining('10 more') });
  for (const { what_to_do, message } of found) expect(Math.min(what_to_do.length, message.length)).toBeGreaterThan(5);
});
