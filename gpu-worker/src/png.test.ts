import { decodePicture, encodePng } from '@loraloom/engine';
import { expect, test } from 'vitest';
import { withTexts } from './png.ts';

const picture = { width: 16, height: 16, data: new Uint8Array(16 * 16 * 3).map((_, i) => i % 256) };
const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

test('the pixels are as before, and the texts behind the header', async () => {
  const png = await encodePng(picture);
  const told = withTexts(png, [
    { keyword: 'parameters', text: 'süß\nSteps: 1' },
    { keyword: 'parameters', text: '猫' },
  ]);
  expect(await decodePicture(told)).toEqual(await decodePicture(png));
  // Made with Python: zlib.crc32(b'tEXtparameters\0s\xfc\xdf\nSteps: 1') and zlib.crc32(b'iTXtparameters\0\0\0\0\0\xe7\x8c\xab')
  const first = `\0\0\0\x17tEXtparameters\0s\xfc\xdf\nSteps: 1`;
  const second = '\0\0\0\x12iTXtparameters\0\0\0\0\0\xe7\x8c\xab';
  expect(latin1(told.subarray(33, 33 + first.length + 4))).toBe(`${first}\xc8\x58\x2e\x60`);
  expect(latin1(told.subarray(33 + first.length + 4, 33 + first.length + 4 + second.length + 4))).toBe(
    `${second}\xc1\x3d\xbf\xda`,
  );
  expect(told.length).toBe(png.length + first.length + second.length + 8);
});

test('no text brings zeros or controls into a chunk that may not have them', async () => {
  const told = latin1(
    withTexts(await encodePng(picture), [
      { keyword: 'a', text: 'x\0y' },
      { keyword: 'b', text: 'x\ty' },
    ]),
  );
  expect(told).toContain('tEXta\0xy');
  expect(told).toContain('iTXtb\0\0\0\0\0x\ty');
});
