import { expect, it } from 'vitest';
import { captionOf } from './captions.ts';

it('makes captions of file names', () => {
  expect(captionOf('red_apple-02.final.png')).toBe('red apple 02.final');
  expect(captionOf('  cat .jpg')).toBe('cat');
});
