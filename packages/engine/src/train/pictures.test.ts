import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openPipeline, type Pipeline } from '../families/pipeline.ts';
import type { Picture } from '../pixels.ts';
import { mirrorImage, prepare, sizeFor } from './pictures.ts';

describe('sizes', () => {
  it.each([
    [
      { width: 512, height: 512 },
      { width: 512, height: 512 },
    ],
    [
      { width: 1000, height: 1040 },
      { width: 512, height: 512 },
    ],
    // 512 × √(4/3) = 591, 512 / √(4/3) = 443
    [
      { width: 4000, height: 3000 },
      { width: 576, height: 448 },
    ],
    [
      { width: 600, height: 900 },
      { width: 448, height: 640 },
    ],
    [
      { width: 1920, height: 1080 },
      { width: 704, height: 384 },
    ],
    [
      { width: 1080, height: 1920 },
      { width: 384, height: 704 },
    ],
    [
      { width: 5000, height: 500 },
      { width: 704, height: 384 },
    ],
  ])('of %o is %o', (picture, wanted) => {
    const { width, height } = sizeFor(picture, 512, 64, true);
    if (picture.width / picture.height < 3) expect({ width, height }).toEqual(wanted);
    else expect(width / height).toBeCloseTo(2, 0);
    expect(width * height).toBeLessThan(1.15 * 512 ** 2);
    expect(width * height).toBeGreaterThan(0.85 * 512 ** 2);
  });

  it('are squares without buckets', () => {
    expect(sizeFor({ width: 300, height: 100 }, 64, 8, false)).toEqual({ width: 64, height: 64 });
  });
});

describe('preparing', () => {
  let pipeline: Pipeline;
  beforeAll(async () => {
    pipeline = await openPipeline(fileURLToPath(new URL('../../fixtures/sd-tiny/model', import.meta.url)));
  });
  afterAll(() => pipeline.close());
  const picture: Picture = {
    width: 200,
    height: 100,
    data: Uint8Array.from({ length: 200 * 100 * 3 }, (_, i) => (Math.floor(i / 3) % 200) + (i % 3)),
  };
  const example = { picture: async () => picture, caption: 'a slope' };

  it('cuts to a square, or keeps the shape', async () => {
    const [square] = await prepare(pipeline, [example], {}, 1);
    expect([square?.width, square?.height, square?.latents.mean.length]).toEqual([16, 16, 4 * 16 * 16]);
    const [wide] = await prepare(pipeline, [example], { buckets: true }, 1);
    // 64 × √2 = 90.5, to the multiple of 8
    expect([wide?.width, wide?.height, wide?.latents.mean.length]).toEqual([88 / 4, 48 / 4, 4 * 22 * 12]);
  });

  it('reads a few pictures ahead and no more, and fails at the one that cannot be read', async () => {
    let begun = 0;
    const read = vi.spyOn(await pipeline.programs.encoder(), 'run');
    const examples = Array.from({ length: 8 }, (_, i) => ({
      picture: async () => {
        expect(begun++ - read.mock.calls.length).toBeLessThanOrEqual(2);
        if (i === 6) throw new Error('the seventh is damaged');
        return picture;
      },
      caption: `${i}`,
    }));
    await expect(prepare(pipeline, examples, {}, 1)).rejects.toThrow('the seventh is damaged');
    expect(read).toHaveBeenCalledTimes(6);
    begun = 6;
    const prepared = await prepare(pipeline, examples.slice(0, 6), {}, 1);
    expect(prepared.map(({ caption }) => caption)).toEqual(['0', '1', '2', '3', '4', '5']);
    read.mockRestore();
  });

  it('encodes the mirror image, which is not the latents mirrored', async () => {
    const [prepared] = await prepare(pipeline, [example], { flip: true }, 1);
    const mirrored = mirrorImage(picture);
    expect([...mirrored.data.subarray(0, 3)]).toEqual([...picture.data.subarray(3 * 199, 3 * 200)]);
    expect(mirrorImage(mirrored)).toEqual(picture);
    const [other] = await prepare(pipeline, [{ ...example, picture: async () => mirrored }], {}, 1);
    expect(prepared?.mirrored).toEqual(other?.latents);
    expect(prepared?.mirrored).not.toEqual(prepared?.latents);
  });
});
