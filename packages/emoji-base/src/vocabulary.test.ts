import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTokenizer, type Tokenizer } from '@loraloom/engine';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { backgrounds } from './backgrounds.ts';
import { baseFolder } from './index.ts';
import { subjects } from './subjects.ts';
import { learnMerges, writeTokenizer } from './vocabulary.ts';

let folder = '';
let tokenizer: Tokenizer;
let vocabulary: { size: number; start: number; end: number };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'emoji-tokenizer-'));
  vocabulary = await writeTokenizer(folder);
  tokenizer = await openTokenizer(folder);
});
afterAll(() => rm(folder, { recursive: true }));

/** The ids between start and end. */
const words = (text: string) => {
  const ids = [...tokenizer.encode(text)];
  return ids.slice(1, ids.indexOf(vocabulary.end, 1));
};

it('merges the most frequent pair first, ties by spelling', () => {
  expect(learnMerges(['ab', 'cab'])).toEqual([
    ['a', 'b</w>'],
    ['c', 'ab</w>'],
  ]);
});

it('is of CLIP’s form: start, words, end, padded to 77', () => {
  const ids = tokenizer.encode('red apple, blue background');
  expect(ids.length).toBe(77);
  expect(ids[0]).toBe(vocabulary.start);
  expect([...ids.slice(6)]).toEqual(new Array(71).fill(vocabulary.end));
  expect(vocabulary.end).toBe(vocabulary.size - 1);
  expect(vocabulary.size).toBeLessThan(5000);
});

it('has one token for each word of any caption, and different ones for different words', () => {
  const texts = [
    ...subjects.map(({ caption }) => caption),
    ...backgrounds.map(({ name }) => `${name} background`),
    'ink drawing',
    'a photo of the sketch',
  ];
  const seen = new Map<number, string>();
  for (const word of new Set(texts.join(' ').split(' '))) {
    const ids = words(word);
    expect(ids.length, word).toBe(1);
    expect(seen.get(ids[0] ?? -1), word).toBeUndefined();
    seen.set(ids[0] ?? -1, word);
  }
});

it('spells words that it does not know', () => {
  expect(words('qzx').length).toBe(3);
  expect(words('žluťoučký').every((id) => id < vocabulary.start)).toBe(true);
});

// A token's id is a row of the trained embedding: the vocabulary that ships must be the one written today.
it.runIf(existsSync(baseFolder))('is the one that ships with the base', async () => {
  for (const name of ['vocab.json', 'merges.txt']) {
    expect(await readFile(join(baseFolder, 'tokenizer', name), 'utf8')).toBe(await readFile(join(folder, name), 'utf8'));
  }
});
