import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
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
const share = (rows: readonly { counts: boolean }[]) => rows.filter(({ counts }) => counts).length / rows.length;

// Of the held-out part only these figures were looked at, never a line of it, while the word lists were written.
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
  if (process.env.SHOW) {
    for (const { text, counts, right } of unfit) if (!counts || !right) console.log('MISS', counts ? 'category' : '', text);
    for (const { text, counts } of clean) if (counts) console.log('FALSE', text);
  }
  expect(share(unfit)).toBeGreaterThanOrEqual(hits);
  expect(share(clean)).toBeLessThanOrEqual(falsely);
});
