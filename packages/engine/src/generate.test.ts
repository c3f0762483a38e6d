import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openPipeline, type Pipeline } from './families/pipeline.ts';
import { readLora } from './files/index.ts';
import { type Lora, loraFrom } from './files/lora.ts';
import { type Generation, generate, type Prompt } from './generate.ts';
import type { Picture } from './pixels.ts';

const fixtures = fileURLToPath(new URL('../fixtures/sd-tiny/', import.meta.url));
let pipeline: Pipeline;
let ink: Lora;
let neon: Lora;

beforeAll(async () => {
  pipeline = await openPipeline(`${fixtures}model`);
  ink = await readLora(`${fixtures}lora/ink.kohya.safetensors`);
  neon = await readLora(`${fixtures}lora/neon.kohya.safetensors`);
});
afterAll(() => pipeline.close());

const prompt = (text: string, seed: number, loras: Prompt['loras'] = []): Prompt => ({
  prompt: text,
  negativePrompt: '',
  seed,
  loras,
});

async function pictures(prompts: Prompt[], options: Partial<Generation> = {}): Promise<Picture[]> {
  const run = generate(pipeline, { prompts, width: 64, height: 64, steps: 4, guidanceScale: 4, sampler: 'ddim', ...options });
  for (;;) {
    const { done, value } = await run.next();
    if (done) return value;
  }
}

const largestDifference = (a: Picture | undefined, b: Picture | undefined) =>
  Math.max(...(a ? a.data.map((value, i) => Math.abs(value - (b?.data[i] ?? 999))) : [999]));

it('gives each picture of a batch, each with its own LoRAs, what it gives the picture alone', async () => {
  const prompts = [
    prompt('a cat', 7),
    prompt('a red sofa', 8, [{ lora: ink, weight: 1 }]),
    prompt('mountains', 9, [
      { lora: neon, weight: -0.7 },
      { lora: ink, weight: 0.5 },
    ]),
  ];
  const together = await pictures(prompts);
  for (const [i, alone] of prompts.entries())
    expect(largestDifference((await pictures([alone]))[0], together[i])).toBeLessThanOrEqual(1);
  // The LoRAs do something, or the comparison would prove nothing.
  expect(largestDifference((await pictures([prompt('a red sofa', 8)]))[0], together[1])).toBeGreaterThan(3);
});

it('gives the same picture for the same seed, and another for another', async () => {
  const [a, b, c] = await pictures([prompt('a cat', 1), prompt('a cat', 1), prompt('a cat', 2)]);
  expect(largestDifference(a, b)).toBeLessThanOrEqual(1);
  expect(largestDifference(a, c)).toBeGreaterThan(3);
});

it('makes pictures that are not square, without guidance, in steps that it reports', async () => {
  const run = generate(pipeline, {
    prompts: [prompt('a cat', 1)],
    width: 96,
    height: 32,
    steps: 2,
    guidanceScale: 1,
    sampler: 'euler',
  });
  expect((await run.next()).value).toEqual({ step: 1, steps: 2 });
  expect((await run.next()).value).toEqual({ step: 2, steps: 2 });
  const { done, value } = await run.next();
  expect(done && [value[0]?.width, value[0]?.height, value[0]?.data.length]).toEqual([96, 32, 96 * 32 * 3]);
});

it('ignores a negative prompt where guidance is 1', async () => {
  const [a, b] = await pictures([prompt('a cat', 1), { ...prompt('a cat', 1), negativePrompt: 'a cat on a sofa' }], {
    guidanceScale: 1,
  });
  expect(largestDifference(a, b)).toBeLessThanOrEqual(1);
});

it('refuses sizes that the model cannot make', async () => {
  await expect(pictures([prompt('a cat', 1)], { width: 60 })).rejects.toMatchObject({
    code: 'bad_size',
    message: expect.stringContaining('multiples of 8'),
  });
});

it('refuses a LoRA of another base, by layer', async () => {
  const half = { down: new Float32Array(768), up: new Float32Array(320), rank: 1, inFeatures: 768, outFeatures: 320, alpha: 1 };
  const module = 'unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k';
  const use = (lora: Lora) => pictures([prompt('a cat', 1, [{ lora, weight: 1 }])]);
  await expect(use(loraFrom(new Map([[module, half]])))).rejects.toMatchObject({
    code: 'lora_mismatch',
    message: expect.stringContaining('768 → 320'),
  });
  await expect(use(loraFrom(new Map([['unet.elsewhere', half]])))).rejects.toMatchObject({
    code: 'lora_mismatch',
    message: expect.stringContaining('unet.elsewhere'),
  });
});

it('stops between steps when asked to', async () => {
  const stop = new AbortController();
  const run = generate(
    pipeline,
    { prompts: [prompt('a cat', 1)], width: 64, height: 64, steps: 4, guidanceScale: 1, sampler: 'ddim' },
    stop.signal,
  );
  await run.next();
  stop.abort();
  await expect(run.next()).rejects.toThrow('aborted');
});
