import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { z } from 'zod';
import { backgrounds } from './backgrounds.ts';
import { plainSubjects } from './subjects.ts';

const Labels = z.array(z.object({ label: z.string() }));

/** Words that captions of styles may want beside the emojis' own. */
const styleWords =
  'a an the of in on with and style drawing ink line outline black white sketch photo picture painting watercolor pixel art 3d flat icon sticker background';

/** Every word that captions may use, so that the subjects can grow without another vocabulary. */
function captionWords(): string[] {
  const require = createRequire(import.meta.url);
  const labels = Labels.parse(require('emojibase-data/en/data.json')).map(({ label }) => label);
  const texts = [
    ...plainSubjects.map(({ caption }) => caption),
    ...backgrounds.map(({ name }) => name),
    styleWords,
    ...labels.filter((label) => !/skin tone|flag/.test(label)),
  ];
  return [...new Set(texts.flatMap((text) => text.toLowerCase().match(/[a-z]+/g) ?? []))].toSorted();
}

/** GPT-2's printable stand-ins for the 256 bytes, in the order of CLIP's vocabulary. */
function byteSymbols(): string[] {
  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
  const printable = [...range(33, 126), ...range(161, 172), ...range(174, 255)];
  const rest = range(0, 255).filter((byte) => !printable.includes(byte));
  return [...printable.map((code) => String.fromCharCode(code)), ...rest.map((_, i) => String.fromCharCode(256 + i))];
}

/**
 * Byte-pair merges (arXiv 1508.07909) until each word is one token: the most frequent pair first, ties by spelling.
 * Encoding replays the merges in this order, so that it ends at the same tokens.
 */
export function learnMerges(words: readonly string[]): [string, string][] {
  const spelled = words.map((word) => [...word.slice(0, -1), `${word.at(-1)}</w>`]);
  const merges: [string, string][] = [];
  for (;;) {
    const counts = new Map<string, number>();
    for (const symbols of spelled) {
      for (let i = 1; i < symbols.length; i++) {
        const pair = `${symbols[i - 1]} ${symbols[i]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    let [best, most] = ['', 0];
    for (const [pair, count] of counts) if (count > most || (count === most && pair < best)) [best, most] = [pair, count];
    const [left, right] = best.split(' ');
    if (left === undefined || right === undefined) return merges;
    merges.push([left, right]);
    for (const symbols of spelled) {
      for (let i = 1; i < symbols.length; i++)
        if (symbols[i - 1] === left && symbols[i] === right) symbols.splice(i - 1, 2, left + right);
    }
  }
}

/** Writes the tokenizer's folder in the layout of CLIP's. @returns the size of the vocabulary and its special tokens */
export async function writeTokenizer(folder: string): Promise<{ size: number; start: number; end: number }> {
  const merges = learnMerges(captionWords());
  const bytes = byteSymbols();
  const tokens = [
    ...bytes,
    ...bytes.map((symbol) => `${symbol}</w>`),
    ...merges.map(([left, right]) => left + right),
    '<|startoftext|>',
    '<|endoftext|>',
  ];
  const vocabulary = [...new Set(tokens)];
  const special = {
    bos_token: '<|startoftext|>',
    eos_token: '<|endoftext|>',
    pad_token: '<|endoftext|>',
    unk_token: '<|endoftext|>',
  };
  const files = {
    'vocab.json': JSON.stringify(Object.fromEntries(vocabulary.map((token, i) => [token, i]))),
    'merges.txt': `#version: 0.2\n${merges.map((pair) => pair.join(' ')).join('\n')}\n`,
    'tokenizer_config.json': JSON.stringify(
      { ...special, model_max_length: 77, tokenizer_class: 'CLIPTokenizer', do_lower_case: true },
      undefined,
      2,
    ),
    'special_tokens_map.json': JSON.stringify(special, undefined, 2),
  };
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return { size: vocabulary.length, start: vocabulary.length - 2, end: vocabulary.length - 1 };
}
