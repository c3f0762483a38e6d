import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readPictures } from './pictures.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'loraloom-pictures-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function put(files: Record<string, string>) {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
}
const captions = async (options: { metadataPath?: string; captionExtension?: string } = {}) =>
  Object.fromEntries(
    (await readPictures(folder, { captionExtension: '.txt', ...options })).map(({ name, caption }) => [name, caption]),
  );

test.each([
  // as different trainers, and people, write them
  ['without a header', 'a.png,a cat\nb.jpg,a dog\n'],
  ['with one', 'file_name,caption\na.png,a cat\nb.jpg,a dog\n'],
  ['columns in another order, and more of them', 'id,prompt,filename\n1,a cat,a.png\n2,a dog,b.jpg\n'],
  ['of a spreadsheet: byte order mark, CRLF, quotes', '\ufefffilename,prompt\r\n"a.png","a cat"\r\n"b.jpg","a dog"\r\n'],
  ['with spaces and an empty line', 'file_name, caption\n\na.png, a cat\nb.jpg, a dog\n'],
  ['with paths', 'image,text\n./data/a.png,a cat\ndata/b.jpg,a dog\n'],
  ['without endings', 'file_name,caption\na,a cat\nb,a dog\n'],
])('a list %s', async (_, list) => {
  await put({ 'a.png': '', 'b.jpg': '', 'metadata.csv': list, 'notes.md': '' });
  expect(await captions()).toEqual({ 'a.png': 'a cat', 'b.jpg': 'a dog' });
  await put({ 'lists/of it.csv': list, 'metadata.csv': 'a.png,other\n' });
  expect(await captions({ metadataPath: join(folder, 'lists/of it.csv') })).toEqual({ 'a.png': 'a cat', 'b.jpg': 'a dog' });
});

test('commas, quotes and languages of a caption are kept, quoted or not', async () => {
  const list = 'a.png,1girl, solo, red "hat"\nb.png,"a ""big"" dog, sitting"\nc.png,一只猫，水墨画\n';
  await put({ 'a.png': '', 'b.png': '', 'c.png': '', 'metadata.csv': list });
  expect(await captions()).toEqual({
    'a.png': '1girl, solo, red "hat"',
    'b.png': 'a "big" dog, sitting',
    'c.png': '一只猫，水墨画',
  });
});

test('what the list leaves out is told by files beside the pictures; captions with other endings are noticed', async () => {
  await put({
    'a.png': '',
    'a.txt': 'not this',
    'b.png': '',
    'b.txt': ' a dog\n',
    'c.png': '',
    'c.caption': 'a fox',
    'd.png': '',
    'metadata.csv': 'a.png,a cat\n',
  });
  expect(await readPictures(folder, { captionExtension: '.txt' })).toMatchObject([
    { name: 'a.png', caption: 'a cat', path: join(folder, 'a.png') },
    { name: 'b.png', caption: 'a dog' },
    { name: 'c.png', caption: '', strayCaption: 'c.caption' },
    { name: 'd.png', caption: '' },
  ]);
  expect(await captions({ captionExtension: '.caption' })).toMatchObject({ 'b.png': '', 'c.png': 'a fox' });
});

test('kohya’s folders say how often their pictures are shown, and what of', async () => {
  await put({
    '10_sks dog/a.png': '',
    '10_sks dog/b.png': '',
    '10_sks dog/b.txt': 'a dog, sitting',
    '10_sks dog/c.png': '',
    '10_sks dog/c.caption': 'a dog, running',
    '2_style/a.png': '',
    '2_style/d.png': '',
    '2_style/metadata.csv': 'd.png,of the style\n',
    'log/e.png': '',
  });
  const read = async (metadataPath?: string) =>
    (await readPictures(folder, { captionExtension: '.txt', metadataPath })).map(({ name, caption, repeats }) => [
      name,
      caption,
      repeats,
    ]);
  expect(await read()).toEqual([
    ['10_sks dog/a.png', 'sks dog', 10],
    ['10_sks dog/b.png', 'a dog, sitting', 10],
    ['10_sks dog/c.png', '', 10],
    ['2_style/a.png', 'style', 2],
    ['2_style/d.png', 'of the style', 2],
  ]);
  // A list of all of them tells pictures of the same name by their folders.
  await put({ 'all.csv': './data/2_style/a.png,first\n10_sks dog/a.png,second\nd,third\n' });
  const captions = Object.fromEntries((await read(join(folder, 'all.csv'))).map(([name, caption]) => [name, caption]));
  expect(captions).toMatchObject({ '2_style/a.png': 'first', '10_sks dog/a.png': 'second', '2_style/d.png': 'third' });
});

test('what is not there is said, and what to do', async () => {
  await put({ 'mixed/10_aki/a.png': '', 'mixed/b.png': '', 'never/0_aki/a.png': '', 'empty/notes.md': '' });
  await put({ 'gone.csv': 'a.png,a cat\nz.png,a dog\n', 'other/a.png': '' });
  const read = (path: string, metadataPath?: string) =>
    readPictures(join(folder, path), { captionExtension: '.txt', metadataPath });
  await expect(read('nowhere')).rejects.toThrow(/nowhere: cannot be read \(ENOENT\)/);
  await expect(read('empty')).rejects.toThrow(/no pictures; want JPEG/);
  await expect(read('mixed')).rejects.toThrow(/b\.png lies beside 10_aki\//);
  await expect(read('never')).rejects.toThrow(/shown 0 times; want 1 to 1000/);
  await expect(read('other', join(folder, 'none.csv'))).rejects.toThrow(/none\.csv: cannot be read/);
  await expect(read('other', join(folder, 'gone.csv'))).rejects.toThrow(/names z\.png/);
});
