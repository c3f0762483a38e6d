import { fold, spaced, unleet } from './fold.ts';

/** Scripts that write words without spaces between them. */
const unspaced =
  '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Hangul}';
const glyph = '[\\p{L}\\d@$!|€]';

const single = new RegExp(`(?<!${glyph})${glyph}(?:[^\\p{L}\\d@$!|€]{1,3}${glyph}(?!${glyph}))+`, 'gu');
const parted = /\p{L}+(?:[-._*|/\\~+·•'^"]{1,2}\p{L}+)+/gu;
const split = /(?<![\p{L}\d'’])(?:([b-hj-z]) (\p{L}{2,6})|(\p{L}{2,6}) ([b-hj-z]))(?![\p{L}\d'’])/gu;
const repeated = /([\p{L}\d])\1{2,}/gu;
const betweenGlyphs = new RegExp(`(?<=[${unspaced}])[.*·•_~|/+^-]+(?=[${unspaced}])`, 'gu');
const loneGlyphs = new RegExp(`(?<![${unspaced}])[${unspaced}](?:[ .*·•_~|/+^-]+[${unspaced}](?![${unspaced}]))+`, 'gu');

/** How a text may be meant, all folded. */
export interface Readings {
  /** As it stands. */
  asWritten: string;
  /** As it reads once what hides words in it is undone. */
  disguised: string[];
  /** Words that were put together from their parts, one a line: only what fills a line counts. */
  words: string;
}

export function readingsOf(text: string): Readings {
  const folded = fold(text);
  const plain = spaced(folded);
  const disguised = new Set<string>();
  for (const stroke of ['i', 'l'] as const) {
    // A letter of its own where it belongs, a decoration where it does not.
    disguised.add(unleet(plain, stroke).replaceAll('ñ', 'n'));
    for (const kept of ['$1', '$1$1']) disguised.add(unleet(plain.replace(repeated, kept), stroke));
  }
  disguised.add(plain.replace(betweenGlyphs, ''));
  disguised.delete(plain);
  const words = [
    ...[...folded.matchAll(single)].flatMap(([run]) => runsOf(run)),
    ...[...folded.matchAll(loneGlyphs)].map(([run]) => run.replace(/[^\p{L}]/gu, '')),
    ...[...folded.matchAll(parted)].map(([word]) => word.replace(/[^\p{L}]/gu, '')),
    ...overlapping(split, plain).map(([, head, tail, front, end]) => (head ? head + tail : `${front}${end}`)),
  ];
  return { asWritten: plain, disguised: [...disguised], words: [...new Set(words)].join('\n') };
}

/** Single letters as words: `n u d e   g i r l` are two, where a gap is wider than the one before. */
function runsOf(run: string): string[] {
  const gaps = [...run.matchAll(/[^\p{L}\d@$!|€]+/gu)].map(([gap]) => gap.length);
  const narrow = Math.min(...gaps);
  const words = run.split(new RegExp(`[^\\p{L}\\d@$!|€]{${narrow + 1},}`, 'u'));
  return words
    .map((word) => word.replace(/[^\p{L}\d@$!|€]/gu, ''))
    .filter((word) => word.length > 2)
    .flatMap((word) => [unleet(word, 'i'), unleet(word, 'l')]);
}

/** All matches, also those that begin within another: each word may belong to the one before it or the one behind it. */
function overlapping(pattern: RegExp, text: string): RegExpExecArray[] {
  const found: RegExpExecArray[] = [];
  const search = new RegExp(pattern);
  for (let match = search.exec(text); match; match = search.exec(text)) {
    found.push(match);
    search.lastIndex = match.index + 1;
  }
  return found;
}
