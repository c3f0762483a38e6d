import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { openPipeline } from './families/pipeline.ts';
import { readLora } from './files/index.ts';
import { openBatch, resultOf } from './generate.ts';

const fixtures = fileURLToPath(new URL('../fixtures/sd-tiny/', import.meta.url));
const sizes = [
  [64, 64],
  [96, 32],
  [32, 64],
  [128, 128],
] as const;

it('serves pictures of every kind without growing', { timeout: 120_000 }, async () => {
  const pipeline = await openPipeline(`${fixtures}model`);
  const loras = await Promise.all(['ink', 'neon'].map((name) => readLora(`${fixtures}lora/${name}.kohya.safetensors`)));
  const batch = openBatch(pipeline, 8);
  let made = 0;
  /** Forty more, no two alike, and the memory that the process then holds, in MiB. */
  const memoryAfterMore = async () => {
    const pictures = Array.from({ length: 40 }, async () => {
      const n = made++;
      const [width, height] = sizes[n % 4] ?? sizes[0];
      const lora = loras[n % 3];
      const request = { prompt: `a cat ${n}`, negativePrompt: '', seed: n, width, height, steps: 1 + (n % 3) };
      const sampler = n % 2 ? 'ddim' : 'euler';
      const adapted = lora ? [{ lora, weight: n / 200 }] : [];
      return resultOf(batch.generate({ ...request, sampler, guidanceScale: n % 5 ? 4 : 1, loras: adapted }));
    });
    await Promise.all(pictures);
    return process.memoryUsage().rss / 2 ** 20;
  };
  // Until buffers and caches have found their size.
  for (let round = 0; round < 3; round++) await memoryAfterMore();
  const before = await memoryAfterMore();
  for (let round = 0; round < 2; round++) await memoryAfterMore();
  const grown = (await memoryAfterMore()) - before;
  await pipeline.close();
  // Without a bound on its caches, or with a tensor leaked a step, it would grow by 40 and more.
  expect(grown).toBeLessThan(25);
});
