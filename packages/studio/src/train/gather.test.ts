import { strToU8, zipSync } from 'fflate';
import { expect, it } from 'vitest';
import { gather } from './gather.ts';

const file = (path: string, content: string | Uint8Array<ArrayBuffer> = 'x', type = '') => ({
  path,
  file: new File([content], path.replace(/^.*\//, ''), { type }),
});
const told = async (...given: Parameters<typeof gather>) => {
  const { pictures, leftOut } = await gather(...given);
  return { pictures: pictures.map(({ file: { name, type }, caption }) => [name, type, caption]), leftOut };
};

it('takes the pictures of a folder, with the captions beside them', async () => {
  const given = [
    file('set/a_red-one.JPG'),
    file('set/b.png', 'x', 'image/png'),
    file('set/b.txt', ' a blue one \n'),
    file('set/c.webp'),
    file('set/metadata.csv', 'file_name,caption\nc.webp,"a green one, wet"\n'),
    file('set/.DS_Store'),
    file('set/notes.pdf'),
  ];
  expect(await told(given)).toEqual({
    pictures: [
      ['a_red-one.JPG', 'image/jpeg', 'a red one'],
      ['b.png', 'image/png', 'a blue one'],
      ['c.webp', 'image/webp', 'a green one, wet'],
    ],
    leftOut: ['set/notes.pdf'],
  });
});

it('unpacks a zip, and leaves out one that is none', async () => {
  const zip = new Uint8Array(
    zipSync({ set: { 'a.png': strToU8('picture'), 'a.txt': strToU8('apple') }, __MACOSX: { 'a.png': strToU8('litter') } }),
  );
  const gathered = await gather([file('set.zip', zip), file('broken.zip', 'PK but not really')]);
  expect(gathered.leftOut).toEqual(['broken.zip']);
  expect(gathered.pictures.map(({ caption }) => caption)).toEqual(['apple']);
  expect(await gathered.pictures[0]?.file.text()).toBe('picture');
});
