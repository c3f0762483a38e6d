import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { InputError } from './error.ts';

/** Turns a prompt into the token ids that a CLIP text encoder reads. */
export interface Tokenizer {
  /** Number of ids that `encode` gives. */
  length: number;
  /** Start token, the text cut to fit, end token, then padding. */
  encode(text: string): Int32Array<ArrayBuffer>;
  /** The end token's id. */
  end: number;
}

const Vocabulary = z.record(z.string(), z.int().nonnegative());
const Token = z.union([z.string(), z.object({ content: z.string() }).transform(({ content }) => content)]);
const SpecialTokens = z.object({
  bos_token: Token.default('<|startoftext|>'),
  eos_token: Token.default('<|endoftext|>'),
  unk_token: Token.default('<|endoftext|>'),
  pad_token: Token.default('<|endoftext|>'),
});
const Config = z.object({ model_max_length: z.number().min(3).default(77), added_tokens_decoder: z.unknown().optional() });
const Bundle = z.object({
  model: z.object({ vocab: Vocabulary, merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])) }),
});

/**
 * Opens CLIP's byte-pair tokenizer from a tokenizer folder: vocab.json and merges.txt, or tokenizer.json.
 * @throws InputError `bad_model` naming the file and what was wanted
 */
export async function openTokenizer(folder: string): Promise<Tokenizer> {
  const config = (await readJson(join(folder, 'tokenizer_config.json'), z.looseObject({}))) ?? {};
  const { model_max_length, added_tokens_decoder } = parse(Config, config, `${folder}/tokenizer_config.json`);
  // transformers lets the older special_tokens_map.json win, except over configurations that list added_tokens_decoder;
  // so Stable Diffusion 2's padding is "!" although its tokenizer_config.json says otherwise.
  const older =
    added_tokens_decoder === undefined ? await readJson(join(folder, 'special_tokens_map.json'), z.looseObject({})) : undefined;
  const special = parse(SpecialTokens, { ...config, ...older }, `${folder}/special_tokens_map.json`);
  const { vocabulary, merges } = await readPairs(folder);
  const idOf = (token: string) => {
    const id = vocabulary.get(token);
    if (id === undefined) throw new InputError('bad_model', `${folder}: the vocabulary lacks the special token ${token}`);
    return id;
  };
  const ids = {
    start: idOf(special.bos_token),
    end: idOf(special.eos_token),
    unknown: idOf(special.unk_token),
    pad: idOf(special.pad_token),
  };
  // Models without a limit of their own write a huge number.
  return clipTokenizer(vocabulary, merges, ids, model_max_length > 100_000 ? 77 : model_max_length);
}

async function readPairs(folder: string): Promise<{ vocabulary: Map<string, number>; merges: string[] }> {
  const vocabulary = await readJson(join(folder, 'vocab.json'), Vocabulary);
  const text = await readIfThere(join(folder, 'merges.txt'));
  if (vocabulary && text !== undefined) {
    const lines = text.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#version'));
    return { vocabulary: new Map(Object.entries(vocabulary)), merges: lines };
  }
  const bundle = await readJson(join(folder, 'tokenizer.json'), Bundle);
  if (!bundle) throw new InputError('bad_model', `${folder}: vocab.json and merges.txt, or tokenizer.json wanted`);
  const merges = bundle.model.merges.map((pair) => (typeof pair === 'string' ? pair : pair.join(' ')));
  return { vocabulary: new Map(Object.entries(bundle.model.vocab)), merges };
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new InputError('bad_model', `${path} is not JSON`, { cause });
  }
  return parse(schema, json, path);
}

function parse<T>(schema: z.ZodType<T>, value: unknown, path: string): T {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new InputError('bad_model', `${path}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** CLIP's own pattern: English contractions, words, single digits, runs of anything else (openai/CLIP simple_tokenizer.py). */
const pieces = /'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\p{White_Space}\p{L}\p{N}]+/gu;

function clipTokenizer(
  vocabulary: ReadonlyMap<string, number>,
  merges: readonly string[],
  ids: { start: number; end: number; unknown: number; pad: number },
  length: number,
): Tokenizer {
  const ranks = new Map(merges.map((pair, rank) => [pair, rank]));
  const cache = new Map<string, readonly number[]>();

  const wordIds = (word: string): readonly number[] => {
    const known = cache.get(word);
    if (known) return known;
    const found = mergePairs(word, ranks).map((symbol) => vocabulary.get(symbol) ?? ids.unknown);
    // Prompts repeat words; a bound keeps strangers from filling the memory.
    if (cache.size >= 10_000) cache.clear();
    cache.set(word, found);
    return found;
  };
  const textIds = (text: string): number[] => (normalize(text).match(pieces) ?? []).flatMap(wordIds);

  return {
    length,
    end: ids.end,
    encode(text) {
      // Special tokens count only as they are spelled; everything else is plain text.
      const tokens = text
        .split(/(<\|startoftext\|>|<\|endoftext\|>)/)
        .flatMap((part, i) => (i % 2 === 0 ? textIds(part) : [vocabulary.get(part) ?? ids.unknown]));
      const encoded = new Int32Array(length).fill(ids.pad);
      encoded.set([ids.start, ...tokens.slice(0, length - 2), ids.end]);
      return encoded;
    },
  };
}

/** Letters in lower case one by one, as the reference does: JavaScript would choose between σ and ς by the neighbours. */
const normalize = (text: string) =>
  Array.from(text.normalize('NFC').replace(/\p{White_Space}+/gu, ' '), (letter) => letter.toLowerCase()).join('');

/** Byte-pair encoding (arXiv 1508.07909) of a word's UTF-8 bytes; the last symbol carries `</w>`. */
function mergePairs(word: string, ranks: ReadonlyMap<string, number>): string[] {
  const symbols = Array.from(Buffer.from(word), (byte) => byteLetters[byte] ?? '');
  symbols.push(`${symbols.pop()}</w>`);
  const rankAt = (i: number) => ranks.get(`${symbols[i]} ${symbols[i + 1]}`) ?? Number.POSITIVE_INFINITY;
  // pairRanks[i]: rank of symbols i and i + 1, kept so that a merge looks up only its two neighbours.
  const pairRanks = symbols.slice(1).map((_, i) => rankAt(i));
  for (;;) {
    let best = 0;
    for (let i = 1; i < pairRanks.length; i++) if ((pairRanks[i] ?? 0) < (pairRanks[best] ?? 0)) best = i;
    if (!Number.isFinite(pairRanks[best])) return symbols;
    symbols.splice(best, 2, `${symbols[best]}${symbols[best + 1]}`);
    pairRanks.splice(best, 1);
    if (best > 0) pairRanks[best - 1] = rankAt(best - 1);
    if (best < pairRanks.length) pairRanks[best] = rankAt(best);
  }
}

/** GPT-2's printable letter for each byte: itself where it is printable, else the next free one from U+0100. */
const byteLetters: readonly string[] = (() => {
  const printable = (byte: number) => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let free = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : free++));
})();
