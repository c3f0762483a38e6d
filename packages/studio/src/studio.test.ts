import { LoraloomError } from '@loraloom/client';
import { expect, it } from 'vitest';
import { bytes, duration } from './numbers.ts';
import { explain } from './parts/trouble.ts';
import { loraName, wordsOf } from './registry.ts';
import { linkTo, routeOf } from './route.ts';
import { keyFrom } from './session.tsx';
import { dictionary, languageFrom } from './speech.tsx';

it.each([
  ['#key=ll_abc', null, { key: 'll_abc', fresh: true }],
  ['#key=ll_new', 'll_old', { key: 'll_new', fresh: true }],
  ['', 'll_old', { key: 'll_old', fresh: false }],
  ['#/train', 'll_old', { key: 'll_old', fresh: false }],
  ['#other', null, { key: null, fresh: false }],
])('takes the key of %s, with %s from before', (hash, kept, wanted) => expect(keyFrom(hash, kept)).toEqual(wanted));

it.each([
  ['', { room: 'create', rest: [] }],
  ['#/train', { room: 'train', rest: [] }],
  ['#/train/a%2Fb/c', { room: 'train', rest: ['a/b', 'c'] }],
  ['#/train/%zz', { room: 'train', rest: ['%zz'] }],
  ['#/nowhere', { room: 'create', rest: [] }],
])('%s names a page', (hash, wanted) => expect(routeOf(hash)).toEqual(wanted));

it('links to what the address then names', () =>
  expect(routeOf(linkTo('train', 'a/b', '名'))).toEqual({ room: 'train', rest: ['a/b', '名'] }));

it.each([
  [null, ['zh-CN', 'en'], 'zh'],
  [null, ['fr', 'EN-us'], 'en'],
  [null, ['fr'], 'en'],
  ['en', ['zh-Hans'], 'en'],
  ['toString', ['zh'], 'zh'],
])('speaks, chosen %s, preferred %s', (chosen, preferred, wanted) => expect(languageFrom(chosen, preferred)).toBe(wanted));

it('has every word in every language, or does not compile', () => {
  const en = { title: 'Title', count: (n: number) => `${n}`, rooms: { create: 'Create' } } as const;
  expect(dictionary(en, { title: '标题', count: (n) => `${n} 个`, rooms: { create: '创作' } }).zh.count(2)).toBe('2 个');
  // @ts-expect-error a word is missing
  dictionary(en, { title: '标题', count: (n) => `${n} 个`, rooms: {} });
  // @ts-expect-error a word takes something else
  dictionary(en, { title: '标题', count: (n: string) => n, rooms: { create: '创作' } });
});

it('makes names and trigger words that the API takes', () => {
  expect(loraName('  My Style, № 2! ')).toBe('my-style-2');
  expect(loraName('水墨')).toBe('');
  expect(wordsOf(' ink drawing,  sks，, ')).toEqual(['ink drawing', 'sks']);
});

it('writes numbers in the language', () => {
  expect([4.4, 65, 120, 3660].map((seconds) => duration(seconds, 'en'))).toEqual(['4 sec', '1 min 5 sec', '2 min', '1 hr 1 min']);
  expect(duration(65, 'zh')).toBe('1分钟 5秒');
  expect([999, 48_213, 4_800_000, 3e9].map((count) => bytes(count, 'en'))).toEqual(['999 byte', '48.2 kB', '4.8 MB', '3 GB']);
});

it('says what to do about an error, in either language', () => {
  const refused = new LoraloomError(422, 'content_refused', 'prompt: refused as violence', {
    param: 'prompt',
    refusal: { category: 'violence', score: 1, threshold: 0.5, stage: 'prompt' },
  });
  expect(explain(refused, 'en')).toMatchObject({ what: expect.stringContaining('more violent'), param: 'prompt', said: null });
  expect(explain(refused, 'zh').what).toContain('暴力');
  // What the API says of itself is kept where we have no words for it.
  const odd = new LoraloomError(422, 'invalid_request', 'steps: want at most 150', { param: 'steps', requestId: 'r1' });
  expect(explain(odd, 'en')).toMatchObject({ what: 'steps: want at most 150', said: null, requestId: 'r1' });
  expect(explain(odd, 'zh').said).toBe('steps: want at most 150');
  expect(explain({ code: 'toString', message: 'm', param: null }, 'en').what).toBe('m');
  expect(explain(new TypeError('x is not a function'), 'en')).toMatchObject({
    code: 'page',
    said: expect.stringContaining('x is not'),
  });
});
