import { expect, it } from 'vitest';
import { captionOf, readCaptions, writeCaptions } from './captions.ts';

it('makes captions of file names', () => {
  expect(captionOf('red_apple-02.final.png')).toBe('red apple 02.final');
  expect(captionOf('  cat .jpg')).toBe('cat');
});

it.each([
  ['a header in any order', 'caption,mood,file_name\n"a, b",x,set/apple.png\n', [['apple', 'a, b']]],
  [
    'no header',
    'apple.png,red apple, ink\r\npear,green pear',
    [
      ['apple', 'red apple, ink'],
      ['pear', 'green pear'],
    ],
  ],
  ['quotes and lines in them', 'file,text\na.png,"says ""hi""\nthere"', [['a', 'says "hi"\nthere']]],
  ['a mark at its beginning, tabs', '\uFEFFfile_name\tcaption\na.png\tb', [['a', 'b']]],
])('reads captions with %s', async (_, csv, wanted) => expect([...(await readCaptions(csv))]).toEqual(wanted));

it('reads what it writes, whatever a caption says', async () => {
  const pictures = [
    { name: 'a.png', caption: 'one, "two"\nthree' },
    { name: 'b.jpg', caption: '红苹果' },
    { name: 'c.webp', caption: '' },
  ];
  const written = await writeCaptions(pictures);
  expect(written.split('\r\n')[2]).toBe('b.jpg,红苹果');
  expect([...(await readCaptions(written)).values()]).toEqual(pictures.map(({ caption }) => caption));
});
