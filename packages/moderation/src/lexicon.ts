import { fold, spaced } from './fold.ts';
import type { Policy } from './policy.ts';
import { readingsOf } from './readings.ts';
import { type Occurrence, openSearch } from './search.ts';
import { type Kind, lists } from './words/index.ts';

/** A word of the lists that occurs in a text. */
export interface Hit {
  /** The folded word: the same one counts once, however often it occurs. */
  word: string;
  kind: Kind;
  score: number;
  /** It lies within a phrase that the deployment allows. */
  allowed: boolean;
}

interface Term {
  word: string;
  kind: Kind;
  score: number;
  /** Whether letters may stand right before and right behind it. */
  open: [before: boolean, behind: boolean];
}

/** Nothing that anybody hides. */
const harmless: ReadonlySet<Kind> = new Set(['people', 'minors', 'innocent', 'allowed']);

/** Letters of scripts that put spaces between words. */
const letter =
  /[[\p{L}\p{M}]--[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}ー]]/v;
/** Korean puts its particles right behind a word. */
const suffixed = /\p{Script=Hangul}/u;
const starred = /[*#•●■█]/u;
const censored = /\p{L}[\p{L}*#•●■█]+/gu;

/** All words of the lists and of a policy, ready to be searched for. */
export function openLexicon({ deny, allow }: Pick<Policy, 'deny' | 'allow'>): (text: string) => Hit[] {
  const terms = [
    ...lists.flatMap(([kind, list, score]) => Object.values(list).flatMap((line) => termsOf(line.split('|'), kind, score))),
    ...termsOf(deny, 'custom', 1),
    ...termsOf(allow, 'allowed', 0),
  ];
  const find = openSearch(terms.map((term) => [term.word, term]));
  // What words with letters starred out may stand for, by what is left of them: the first letter and the length.
  const starrable = Map.groupBy(
    terms.flatMap(({ word, kind }) => (!harmless.has(kind) && /^[a-z]{4,}$/.test(word) ? [word] : [])),
    (word) => `${word[0]}${word.length}`,
  );
  const uncensored = (text: string) =>
    [...text.matchAll(censored)].flatMap(([word]) => {
      const letters = word.replace(/[^\p{L}]/gu, '').length;
      if (!starred.test(word) || letters < 2 || letters * 2 < word.length) return [];
      const pattern = new RegExp(`^${word.replace(/[*#•●■█]/gu, '.')}$`, 'u');
      return (starrable.get(`${word[0]}${word.length}`) ?? []).filter((candidate) => pattern.test(candidate));
    });

  return (text) => {
    const { asWritten, disguised, words } = readingsOf(text);
    const lines = [words, ...uncensored(asWritten)].join('\n');
    const standing = (reading: string) => find(reading).filter(({ start, end, value }) => stands(reading, start, end, value));
    const filling = find(lines).filter(({ start, end, value }) => fills(lines, start, end, value));
    const hits = hitsOf(standing(asWritten));
    const open = new Set(hits.map(({ word }) => word));
    const hidden = [...disguised.map(standing), filling].flatMap(hitsOf).filter(({ word }) => !open.has(word));
    // Whoever hides a word knows what it means.
    return [...hits, ...hidden.map((hit) => (harmless.has(hit.kind) ? hit : { ...hit, score: 1 }))].filter(
      ({ score }) => score > 0,
    );
  };
}

/** Words as the lists spell them: folded together, which costs less than one by one. */
function termsOf(words: readonly string[], kind: Kind, score: number): Term[] {
  return spaced(fold(words.join('\n')).replaceAll('\n', '\u0000'))
    .split('\u0000')
    .map((line): Term => {
      const term = line.trim();
      const word = term.replace(/^\*|\*$/g, '');
      const [first = '', last = ''] = [word[0], word.at(-1)];
      const before = term.startsWith('*') || !letter.test(first);
      return { word, kind, score, open: [before, term.endsWith('*') || !letter.test(last) || suffixed.test(last)] };
    })
    .filter(({ word }) => word !== '');
}

/** Whether a word stands by itself in a text, as far as it must. */
const stands = (text: string, start: number, end: number, { open: [before, behind] }: Term): boolean =>
  (before || !letter.test(text[start - 1] ?? '')) && (behind || !letter.test(text[end] ?? ''));

/** Whether a word fills its line, or goes on in it if it may. */
const fills = (lines: string, start: number, end: number, { word, open: [before, behind] }: Term): boolean =>
  (word.length > 2 || !letter.test(word)) &&
  (before || start === 0 || lines[start - 1] === '\n') &&
  (behind || end === lines.length || lines[end] === '\n');

/** What counts of all that was found in one reading: the longest of those that lie in each other, and nothing that lies in an innocent phrase. */
function hitsOf(spans: readonly Occurrence<Term>[]): Hit[] {
  type Span = Occurrence<Term>;
  const within = (inner: Span, outer: Span) => outer.start <= inner.start && inner.end <= outer.end;
  const longer = (inner: Span, outer: Span) =>
    outer.value.kind === inner.value.kind && outer.value.word.length > inner.value.word.length;
  const innocent = spans.filter(({ value }) => value.kind === 'innocent');
  const allowed = spans.filter(({ value }) => value.kind === 'allowed');
  return spans
    .filter(({ value }) => value.kind !== 'innocent' && value.kind !== 'allowed')
    .filter((span) => !innocent.some((outer) => within(span, outer)))
    .filter((span) => !spans.some((outer) => longer(span, outer) && within(span, outer)))
    .map((span) => {
      const { word, kind, score } = span.value;
      return { word, kind, score, allowed: allowed.some((outer) => within(span, outer)) };
    });
}
