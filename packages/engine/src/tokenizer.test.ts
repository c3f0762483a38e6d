import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTensors } from './files/safetensors.ts';
import { openTokenizer } from './tokenizer.ts';

const fixtures = fileURLToPath(new URL('../fixtures/sd-tiny/', import.meta.url));
const prompts = [
  'a photo of a cat on a red sofa',
  'INK wash   painting of mountains, 水墨 "quoted" café!!',
  '',
  'sneakers '.repeat(90),
];
const [start, end] = [690, 691];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tokenizer-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A copy of the tokenizer without some files, with others in their place. */
async function variant(without: string[], files: Record<string, unknown> = {}): Promise<string> {
  const copy = await mkdtemp(join(folder, 'variant-'));
  await cp(`${fixtures}model/tokenizer`, copy, { recursive: true });
  for (const name of without) await rm(join(copy, name));
  for (const [name, content] of Object.entries(files))
    await writeFile(join(copy, name), typeof content === 'string' ? content : JSON.stringify(content));
  return copy;
}

/** The ids between start and end. */
function tokens(ids: Int32Array): number[] {
  const text = [...ids];
  return text.slice(1, text.indexOf(end));
}

describe('tokenizer', () => {
  it.each([
    ['vocab.json and merges.txt', ['tokenizer.json']],
    ['tokenizer.json alone', ['vocab.json', 'merges.txt']],
  ])('gives the ids that transformers gives, from %s', async (_, without) => {
    const tokenizer = await openTokenizer(await variant(without));
    const golden = (await readTensors(`${fixtures}golden.safetensors`, (name) => name === 'text.input_ids')).tensors.get(
      'text.input_ids',
    );
    prompts.forEach((prompt, i) => {
      expect([...tokenizer.encode(prompt)]).toEqual([...(golden?.data.subarray(i * 77, (i + 1) * 77) ?? [])]);
    });
  });

  it('ignores case, the kind of white space, and how accents are composed', async () => {
    const tokenizer = await openTokenizer(`${fixtures}model/tokenizer`);
    expect(tokenizer.encode('\u0085 A\u3000CAFÉ\n\tΣΑΣ ')).toEqual(tokenizer.encode('a cafe\u0301 σασ'));
  });

  it('reads digits one by one, and English contractions as one piece', async () => {
    const vocabulary: Record<string, number> = JSON.parse(await readFile(`${fixtures}model/tokenizer/vocab.json`, 'utf8'));
    const tokenizer = await openTokenizer(`${fixtures}model/tokenizer`);
    expect(tokens(tokenizer.encode('12'))).toEqual([vocabulary['1</w>'], vocabulary['2</w>']]);
    // Ends of words tell the pieces: it + 's, not it + ' + s.
    const letters = tokens(tokenizer.encode("it's")).map((id) => Object.keys(vocabulary).find((key) => vocabulary[key] === id));
    expect(letters.join(' ').replaceAll('</w>', '|').replaceAll(' ', '')).toBe("it|'s|");
  });

  it('takes special tokens in a prompt for what they are', async () => {
    const tokenizer = await openTokenizer(`${fixtures}model/tokenizer`);
    const around = tokenizer.encode('cat <|startoftext|> cat');
    expect([...around].filter((id) => id === start)).toHaveLength(2);
  });

  it("pads as Stable Diffusion 2's special_tokens_map.json says", async () => {
    const tokenizer = await openTokenizer(await variant([], { 'special_tokens_map.json': { pad_token: '!' } }));
    const ids = [...tokenizer.encode('')];
    expect(ids.slice(0, 2)).toEqual([start, end]);
    expect(ids.slice(2).every((id) => id === 0)).toBe(true);
  });

  it('takes special tokens written as objects, and model_max_length', async () => {
    const config = {
      eos_token: { __type: 'AddedToken', content: '<|endoftext|>' },
      pad_token: { content: '!' },
      model_max_length: 5,
      added_tokens_decoder: {},
    };
    const map = { pad_token: '<|endoftext|>' };
    const tokenizer = await openTokenizer(await variant([], { 'tokenizer_config.json': config, 'special_tokens_map.json': map }));
    expect(tokenizer.length).toBe(5);
    expect([...tokenizer.encode('')]).toEqual([start, end, 0, 0, 0]);
    expect(tokenizer.encode('one two three four five').at(-1)).toBe(end);
  });

  it('is fast on a long word', async () => {
    const tokenizer = await openTokenizer(`${fixtures}model/tokenizer`);
    const began = performance.now();
    tokenizer.encode('of'.repeat(10_000));
    expect(performance.now() - began).toBeLessThan(2000);
  });

  it.each<[string, string[], Record<string, unknown>, RegExp]>([
    ['no vocabulary', ['vocab.json', 'tokenizer.json'], {}, /vocab\.json and merges\.txt, or tokenizer\.json wanted/],
    ['a vocabulary that is no JSON', [], { 'vocab.json': '{' }, /vocab\.json is not JSON/],
    ['a vocabulary of words', [], { 'vocab.json': { a: 'b' } }, /vocab\.json/],
    ['no start token', [], { 'vocab.json': { a: 1 } }, /lacks the special token <\|startoftext\|>/],
    ['a length that is text', [], { 'tokenizer_config.json': { model_max_length: '77' } }, /model_max_length/],
  ])('refuses %s', async (_, without, files, message) => {
    await expect(openTokenizer(await variant(without, files))).rejects.toMatchObject({
      name: 'InputError',
      code: 'bad_model',
      message: expect.stringMatching(message),
    });
  });
});
