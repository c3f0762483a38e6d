import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeTinySdxl } from '../../test/sdxl-tiny.ts';
import { begin, finished, latentsOf, type PictureRequest, step } from '../denoise.ts';
import type { Lora } from '../files/lora.ts';
import { openBatch, resultOf } from '../generate.ts';
import { trainLora } from '../train/train.ts';
import { openPipeline, type Pipeline } from './pipeline.ts';

let folder: string;
let pipeline: Pipeline;
let lora: Lora;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdxl-'));
  await writeTinySdxl(folder);
  pipeline = await openPipeline(folder);
  const picture = { width: 64, height: 64, data: Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i % 48) * 5) };
  const run = trainLora(pipeline, {
    examples: [{ picture: async () => picture, caption: 'stripes' }],
    rank: 2,
    alpha: 2,
    learningRate: 1e-2,
    steps: 3,
    batchSize: 2,
    seed: 1,
    targets: 'attention',
    trainTextEncoder: true,
  });
  lora = await resultOf(run);
});
afterAll(async () => {
  await pipeline.close();
  await rm(folder, { recursive: true });
});

const request = (changes: Partial<PictureRequest>): PictureRequest => ({
  prompt: 'a cat',
  negativePrompt: '',
  seed: 1,
  loras: [],
  width: 64,
  height: 32,
  steps: 4,
  guidanceScale: 5,
  sampler: 'euler',
  ...changes,
});

/** The latents of pictures that take their steps together. */
async function together(requests: readonly PictureRequest[]): Promise<Float32Array[]> {
  let pictures = await Promise.all(requests.map((each) => begin(pipeline, each)));
  while (!pictures.every(finished)) pictures = await step(pipeline, pictures);
  return pictures.map(latentsOf);
}

const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
const difference = (a: Float32Array | undefined, b: Float32Array | undefined) =>
  norm(Float32Array.from(a ?? [], (value, i) => value - (b?.[i] ?? Number.NaN))) / norm(b ?? new Float32Array());

it('gives a picture the same latents alone as beside others with other texts, guidance and LoRAs', async () => {
  const requests = [
    request({}),
    request({ seed: 2, negativePrompt: 'blurry', loras: [{ lora, weight: 1 }] }),
    request({ seed: 3, guidanceScale: 1, loras: [{ lora, weight: -0.5 }] }),
  ];
  const mixed = await together(requests);
  for (const [i, each] of requests.entries()) expect(difference(mixed[i], (await together([each]))[0])).toBeLessThan(1e-3);
});

it('hears a trained LoRA, silence, and a negative prompt', async () => {
  const [plain, adapted, negative, space] = await together([
    request({}),
    request({ loras: [{ lora, weight: 1 }] }),
    request({ negativePrompt: 'blurry' }),
    // A text of nothing is no silence.
    request({ negativePrompt: ' ' }),
  ]);
  for (const other of [adapted, negative, space]) expect(difference(other, plain)).toBeGreaterThan(1e-3);
  expect(
    ['unet.', 'text_encoder.', 'text_encoder_2.'].map((part) => [...lora.modules.keys()].some((name) => name.startsWith(part))),
  ).toEqual([true, true, true]);
});

it('makes pictures', async () => {
  const picture = await resultOf(openBatch(pipeline, 2).generate(request({ width: 96, height: 32, sampler: 'ddim' })));
  expect([picture.width, picture.height, picture.data.length]).toEqual([96, 32, 96 * 32 * 3]);
  expect(new Set(picture.data).size).toBeGreaterThan(50);
});
