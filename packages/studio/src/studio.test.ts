import { expect, it } from 'vitest';
import { captionOf, loraName, timeLeft } from './captions.ts';
import { keyFrom } from './session.ts';

it.each([
  ['#key=ll_abc', null, { key: 'll_abc', fresh: true }],
  ['#key=ll_new', 'll_old', { key: 'll_new', fresh: true }],
  ['', 'll_old', { key: 'll_old', fresh: false }],
  ['#other', null, { key: null, fresh: false }],
])('takes the key of %s, with %s from before', (hash, kept, wanted) => expect(keyFrom(hash, kept)).toEqual(wanted));

it('makes captions of file names', () => {
  expect(captionOf('red_apple-02.final.png')).toBe('red apple 02.final');
  expect(captionOf('  cat .jpg')).toBe('cat');
});

it('makes names that the API takes', () => {
  expect(loraName('  My Style, № 2! ')).toBe('my-style-2');
  expect(loraName('水墨')).toBe('');
});

it('tells the time that is left', () => {
  expect([timeLeft(null), timeLeft(4.4), timeLeft(65)]).toEqual(['', '4 s left', '1 min 5 s left']);
});
