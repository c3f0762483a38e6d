import { readdirSync, readFileSync } from 'node:fs';
import { decodePicture, type Picture } from '@loraloom/engine';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type Classifier, classes, openClassifier } from './classifier.ts';
import { toPlanes } from './resize.ts';

const fixture = (name: string) => readFileSync(new URL(`../fixtures/${name}`, import.meta.url));
const styleFolder = new URL('../../emoji-base/style-ink/', import.meta.url);
const expected = z.record(z.string(), z.array(z.number()).length(5)).parse(JSON.parse(fixture('expected.json').toString()));

/** As in fixtures/expected.mjs. */
const waves = (width: number, height: number, seed: number): Picture => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
    return Math.round(([205, 150, 125][c] ?? 0) + 50 * Math.sin((x * (seed + 1) + y * (7 - seed)) / 23 + c * 0.3 * seed));
  }),
});

async function pictureOf(name: string): Promise<Picture> {
  if (name === 'waves 5') return waves(160, 90, 5);
  if (name.startsWith('waves')) return waves(224, 224, Number(name.at(-1)));
  if (name === 'blobs') return decodePicture(fixture('blobs.png'));
  return decodePicture(readFileSync(new URL(`${name}.png`, styleFolder)));
}

let classifier: Classifier;
beforeAll(async () => {
  classifier = await openClassifier();
});
afterAll(() => classifier.close());

test.each(Object.keys(expected))('the network gives the numbers of TensorFlow.js: %s', async (name) => {
  const scores = await classifier.classify(await pictureOf(name));
  for (const [i, wanted] of (expected[name] ?? []).entries()) {
    const score = scores[classes[i] ?? 'neutral'];
    expect(Math.abs(score - wanted)).toBeLessThan(1e-4);
    // The small ones, too, as the network means them: within 0.1 %.
    expect(Math.abs(Math.log(score / wanted))).toBeLessThan(1e-3);
  }
});

test('a picture is enlarged from corner to corner and reduced to means, whatever its shape', () => {
  const row = (values: number[]): Picture => ({
    width: values.length,
    height: 1,
    data: Uint8Array.from(values.flatMap((value) => [value, 0, 255])),
  });
  const red = (picture: Picture, side: number) => [...toPlanes(picture, side).subarray(0, side)].map((value) => value * 255);
  const near = (values: number[]) => values.map((value) => expect.closeTo(value, 3));
  expect(red(row([0, 90]), 4)).toEqual(near([0, 30, 60, 90]));
  expect(red(row([0, 10, 20, 30, 40, 50]), 3)).toEqual(near([5, 25, 45]));
  // Three pixels on two: one and a half each.
  expect(red(row([30, 60, 90]), 2)).toEqual(near([40, 80]));
  const planes = toPlanes(row([30, 60, 90]), 2);
  expect([...planes.subarray(4)]).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
});

test('what it takes for pornography stands out from drawings', async () => {
  // Blots that were moved about until the network took them for skin (README.md).
  expect(await classifier.classify(await pictureOf('blobs'))).toMatchObject({ porn: expect.closeTo(0.99, 2) });
  const names = readdirSync(styleFolder).filter((name) => name.endsWith('.png'));
  expect(names.length).toBe(24);
  const worst = await Promise.all(
    names.map(async (name) => {
      const { hentai, porn } = await classifier.classify(await pictureOf(name.slice(0, -4)));
      return hentai + porn;
    }),
  );
  expect(Math.max(...worst)).toBeLessThan(0.05);
});
