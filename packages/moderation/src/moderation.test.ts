import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { openModerator } from './moderator.ts';

/** Lines of a fixture, the texts with their `\uXXXX` read. */
const lines = (name: string): string[][] =>
  readFileSync(new URL(`../fixtures/${name}.tsv`, import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.replaceAll(/\\u([0-9a-f]{4})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16))))
    .map((line) => line.split('\t'));

const { find } = openModerator();
const categoryOf = (text: string) => find([{ param: 'prompt', text, stage: 'prompt' }])?.category;

/** `en 31/32, de 6/7`: how many of each group count. */
function rates(rows: readonly { group: string; counts: boolean }[]): string {
  return [...Map.groupBy(rows, ({ group }) => group)]
    .map(([group, members]) => `${group} ${members.filter(({ counts }) => counts).length}/${members.length}`)
    .join(', ');
}
/** What people call the pictures of all emoji, and related words, in thirty languages: none of it is unfit. */
const emoji = z.array(z.object({ label: z.string(), tags: z.array(z.string()).default([]) }));
const locales = `bn da de en en-gb es es-mx et fi fr hi hu it ja ko lt ms nb nl pl pt ru sv th uk vi zh zh-hant`.split(' ');

const share = (rows: readonly { counts: boolean }[]) => rows.filter(({ counts }) => counts).length / rows.length;

// Both parts and the lists have the same authors. The held-out part was written before the lists were tuned, and they were not tuned by its misses.
test.each([
  ['tuned', 0.98, 0.01],
  ['held-out', 0.9, 0.05],
])('the %s texts: at least %d of the unfit are refused, at most %d of the clean', (part, hits, falsely) => {
  const unfit = lines(`unfit.${part}`).map(([category = '', language = '', evasion = '', text = '']) => {
    const found = categoryOf(text);
    return { language, evasion, text, counts: found !== undefined, right: found === category };
  });
  const clean = lines(`clean.${part}`).map(([kind = '', language = '', text = '']) => ({
    kind,
    language,
    text,
    counts: categoryOf(text) !== undefined,
  }));
  const count = (rows: { counts: boolean }[]) => `${rows.filter(({ counts }) => counts).length} of ${rows.length}`;
  console.log(
    [
      `${part}: ${count(unfit)} unfit refused, ${unfit.filter(({ right }) => right).length} for the reason labelled; ${count(clean)} clean refused`,
      `  refused by evasion: ${rates(unfit.map((row) => ({ ...row, group: row.evasion })))}`,
      `  refused by language: ${rates(unfit.map((row) => ({ ...row, group: row.language })))}`,
      `  falsely by kind: ${rates(clean.map((row) => ({ ...row, group: row.kind })))}`,
    ].join('\n'),
  );
  expect(share(unfit)).toBeGreaterThanOrEqual(hits);
  expect(share(clean)).toBeLessThanOrEqual(falsely);
});

test('the captions of emoji, in many languages, are fit but for a handful', { timeout: 120_000 }, () => {
  const refused: string[] = [];
  let count = 0;
  for (const locale of locales) {
    const file = new URL(import.meta.resolve(`emojibase-data/${locale}/data.json`));
    for (const [i, { label, tags }] of emoji.parse(JSON.parse(readFileSync(file, 'utf8'))).entries()) {
      // Every eighth: all of them take many seconds.
      if (i % 8 !== 0) continue;
      const text = [label, ...tags].join(', ');
      count++;
      if (categoryOf(text)) refused.push(text);
    }
  }
  console.log(`emoji: ${refused.length} of ${count} refused`);
  expect(count).toBeGreaterThan(6000);
  expect(refused.length).toBeLessThanOrEqual(5);
});

const judge = (text: string) => find([{ param: 'prompt', text, stage: 'prompt' }]);

test('scores: one word, two of a kind, one said of a person, one in disguise', () => {
  expect(judge('porn')).toEqual({ param: 'prompt', stage: 'prompt', category: 'sexual', score: 1, threshold: 0.7 });
  expect(judge('nude')).toBeUndefined();
  expect(judge('nude, nude, nude')).toBeUndefined();
  expect(judge('nude, sexual')).toMatchObject({ category: 'sexual', score: 0.75 });
  expect(judge('nude woman')).toMatchObject({ category: 'sexual', score: 0.75 });
  expect(judge('n u d e')).toMatchObject({ category: 'sexual', score: 1 });
  // 1 − (1 − 0.5)(1 − 0.3)
  expect(judge('a toddler, sexy')).toMatchObject({ category: 'sexual_minors', score: 0.65, threshold: 0.6 });
  expect(judge('sexy, 17 years old')).toMatchObject({ category: 'sexual_minors' });
  expect(judge('sexy, 18 years old')).toBeUndefined();
});

// What takes longer than a moment here would take the whole time limit.
test.each([
  ['f**k ', 400, 'sexual'],
  ['sex ', 500, undefined],
  ['a b ', 500, undefined],
  ['a.', 1000, undefined],
  ['(', 2000, undefined],
  ['做 ', 1000, undefined],
  ['aaab', 500, undefined],
])('a text of the greatest length that only looks for trouble: %j × %d', (part, times, category) => {
  const text = part.repeat(times);
  expect(judge(text)?.category).toBe(category);
  const negative = { param: 'negative_prompt', text, stage: 'negative_prompt' as const };
  expect(find([{ param: 'prompt', text: 'child', stage: 'prompt' }, negative])).toBeUndefined();
});
