import { decodePicture } from '@loraloom/engine';
import { expect, it } from 'vitest';
import { textWidth, wrap, writeText } from './lettering.ts';
import { contactSheet, drawSheet } from './sheet.ts';

const plain = (width: number, height: number, value: number) => ({
  width,
  height,
  data: new Uint8Array(width * height * 3).fill(value),
});

it('breaks lines at spaces, and only where they are too long', () => {
  const fits = textWidth('birthday cake,', 9);
  expect(wrap('birthday cake, pink background', 9, fits + 1)).toEqual(['birthday cake,', 'pink', 'background']);
  expect(wrap('red apple', 9, 1000)).toEqual(['red apple']);
});

it('draws letters where they belong and leaves the rest', () => {
  const picture = plain(40, 20, 255);
  // A capital L, 12 pixels high: a stem at the left and a foot at the bottom.
  writeText(picture, 'L', { x: 4, y: 3, height: 12, colour: [0, 0, 0] });
  const at = (x: number, y: number) => picture.data[(y * 40 + x) * 3];
  expect(at(4, 8)).toBeLessThan(60);
  expect(at(8, 15)).toBeLessThan(60);
  expect(at(8, 8)).toBe(255);
  expect(at(20, 15)).toBe(255);
});

it('cuts off what lies outside', () => {
  const picture = plain(6, 6, 255);
  writeText(picture, 'wide', { x: -3, y: -3, height: 12 });
  expect(picture.data.length).toBe(108);
});

it('puts each picture into its cell, smaller ones in the middle', () => {
  const sheet = drawSheet({
    columns: ['a', 'b'],
    rows: [{ label: 'row', cells: [{ picture: plain(32, 32, 7) }, { picture: plain(16, 16, 9), label: 'small' }] }],
  });
  const count = (value: number) => sheet.data.filter((byte) => byte === value).length;
  expect(count(7)).toBe(32 * 32 * 3);
  expect(count(9)).toBe(16 * 16 * 3);
});

it('makes a PNG with rows of the length asked for', async () => {
  const cells = Array.from({ length: 5 }, () => ({ picture: plain(20, 20, 3) }));
  const { width, height } = await decodePicture(await contactSheet(cells, { across: 3 }));
  expect([width, height]).toEqual([10 + 3 * 30, 10 + 2 * 30]);
});
