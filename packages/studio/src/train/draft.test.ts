import { expect, it } from 'vitest';
import { cropOf, readDraft, replaced, requestOf, samplesOf, withCaptions, withPicture } from './draft.ts';

const picture = (name: string, caption = '') => ({ fileId: `file_${name}`, name, caption, likeness: '', width: 64, height: 64 });
const draft = ['10.png', '2.png', 'B.png'].reduce(
  (before, name) => withPicture(before, picture(name, `a ${name}`)),
  readDraft({}),
);

it('keeps pictures in the order of their names, each once', () => {
  expect(draft.pictures.map(({ name }) => name)).toEqual(['2.png', '10.png', 'B.png']);
  expect(withPicture(draft, picture('2.png')).pictures).toHaveLength(3);
});

it('reads what was kept, and what is wrong in it not', () => {
  expect(readDraft(JSON.parse(JSON.stringify(draft)))).toEqual(draft);
  expect(readDraft({ ...draft, steps: -1, preset: 'no' })).toEqual(draft);
  expect(readDraft('nonsense').pictures).toEqual([]);
});

it('finds and replaces in captions, literally and whatever the case', () => {
  const [after, changed] = replaced(draft, '.PNG', '$& (x)');
  expect(after.pictures.map(({ caption }) => caption)).toEqual(['a 2$& (x)', 'a 10$& (x)', 'a B$& (x)']);
  expect(changed).toBe(3);
  expect(replaced(draft, '', 'x')).toEqual([draft, 0]);
});

it('takes the captions of a list for the pictures that it names', () => {
  const [after, found] = withCaptions(
    draft,
    new Map([
      ['10', 'ten'],
      ['11', 'eleven'],
    ]),
  );
  expect(after.pictures.map(({ caption }) => caption)).toEqual(['a 2.png', 'ten', 'a B.png']);
  expect(found).toBe(1);
});

it('says the trigger word in sample prompts, as training does before captions', () => {
  expect(samplesOf({ ...draft, trigger: ' ink ' })).toEqual(['ink, a 2.png', 'ink, a 10.png']);
  expect(samplesOf({ ...draft, samples: ' one \n\n two\n3\n4\n5' })).toEqual(['one', 'two', '3', '4']);
});

it('asks for what was chosen', () => {
  const request = requestOf({ ...draft, title: 'My Ink', trigger: 'ink', steps: 52, buckets: true }, 'emoji');
  expect(request).toMatchObject({
    model: 'emoji',
    name: 'my-ink',
    trigger_word: 'ink',
    steps: 52,
    save_steps: 11,
    rank: 8,
    batch_size: 3,
    enable_bucket: true,
    flip_aug: true,
  });
  expect(request.files[1]).toEqual({ file_id: 'file_10.png', caption: 'a 10.png' });
  expect(request).not.toHaveProperty('validation_split');
  const ten = Array.from({ length: 10 }, (_, i) => picture(`${i}`));
  expect(requestOf({ ...draft, pictures: ten, preset: 'product' }, 'emoji')).toMatchObject({ validation_split: 0.1, rank: 16 });
});

it.each([
  [{ width: 200, height: 100 }, false, { width: 0.5, height: 1 }],
  [{ width: 100, height: 150 }, false, { width: 1, height: 2 / 3 }],
  // Of the shapes at hand 3 : 2 is the nearest to 1.6 : 1.
  [{ width: 160, height: 100 }, true, { width: 1.5 / 1.6, height: 1 }],
  [{ width: 100, height: 300 }, true, { width: 1, height: 2 / 3 }],
])('of %o, with buckets %s, %o is kept', (size, buckets, wanted) => {
  const crop = cropOf(size, buckets);
  expect([crop.width, crop.height]).toEqual([expect.closeTo(wanted.width), expect.closeTo(wanted.height)]);
});
