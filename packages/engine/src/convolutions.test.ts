import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { begin, finished, latentsOf, type PictureRequest, step } from './denoise.ts';
import { targets } from './families/family.ts';
import { openPipeline, type Pipeline } from './families/pipeline.ts';
import { readLora } from './files/index.ts';
import { type Lora, type LoraModule, loraFrom } from './files/lora.ts';
import { readTensors, type StoredTensor, writeSafetensors } from './files/safetensors.ts';
import type { WeightedLora } from './lora.ts';
import { randomFrom } from './random.ts';

/*
 * LoRAs on convolutions and time embeddings, against a model whose weights were changed by them (W + α / r · up · down).
 */

const fixtures = fileURLToPath(new URL('../fixtures/sd-tiny/', import.meta.url));
const weights = join('unet', 'diffusion_pytorch_model.safetensors');

let folder: string;
let pipeline: Pipeline;
let stored: Map<string, StoredTensor>;
const merged: Pipeline[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'convolutions-'));
  pipeline = await openPipeline(`${fixtures}model`);
  stored = (await readTensors(join(fixtures, 'model', weights))).tensors;
});
afterAll(async () => {
  await Promise.all([pipeline, ...merged].map((one) => one.close()));
  await rm(folder, { recursive: true });
});

/** A LoRA of random numbers on every layer that the pattern names. */
function randomLora(pattern: RegExp, rank: number, alpha: number, seed: number): Lora {
  const modules = [...stored].flatMap(([name, { shape }], i): [string, LoraModule][] => {
    const layer = name.replace(/\.weight$/, '');
    if (layer === name || !pattern.test(layer)) return [];
    const [outFeatures = 0, inFeatures = 0, height = 1, width = 1] = shape;
    const random = randomFrom(seed, i);
    const half = (length: number) => random.fillNormal(new Float32Array(length)).map((value) => 0.1 * value);
    const down = half(rank * inFeatures * height * width);
    const kernel = height * width > 1 ? { kernel: [height, width] as const } : {};
    return [[`unet.${layer}`, { down, up: half(outFeatures * rank), rank, inFeatures, outFeatures, alpha, ...kernel }]];
  });
  return loraFrom(new Map(modules));
}

/** A pipeline of the fixture's weights with these LoRAs added to them. */
async function mergedWith(set: readonly WeightedLora[]): Promise<Pipeline> {
  const path = await mkdtemp(join(folder, 'model-'));
  await cp(join(fixtures, 'model'), path, { recursive: true });
  const changed = [...stored].map(([name, tensor]): [string, StoredTensor] => {
    const data = tensor.data.slice();
    for (const { lora, weight } of set) {
      const module = lora.modules.get(`unet.${name.replace(/\.weight$/, '')}`);
      if (!module || !name.endsWith('.weight')) continue;
      const { down, up, rank, alpha } = module;
      const columns = down.length / rank;
      for (const i of data.keys()) {
        for (let r = 0; r < rank; r++) {
          const delta = (up[Math.floor(i / columns) * rank + r] ?? 0) * (down[r * columns + (i % columns)] ?? 0);
          data[i] = (data[i] ?? 0) + ((weight * alpha) / rank) * delta;
        }
      }
    }
    return [name, { ...tensor, data }];
  });
  await writeSafetensors(join(path, weights), new Map(changed));
  const opened = await openPipeline(path);
  merged.push(opened);
  return opened;
}

const request = (seed: number, loras: readonly WeightedLora[], more: Partial<PictureRequest> = {}): PictureRequest => ({
  prompt: 'a cat',
  negativePrompt: '',
  seed,
  loras,
  width: 64,
  height: 64,
  steps: 4,
  guidanceScale: 3,
  sampler: 'euler',
  ...more,
});

async function latents(on: Pipeline, ...requests: PictureRequest[]): Promise<Float32Array[]> {
  let pictures = await Promise.all(requests.map((one) => begin(on, one)));
  while (!pictures.every(finished)) pictures = await step(on, pictures);
  return pictures.map(latentsOf);
}

function relativeError(got: Float32Array | undefined, wanted: Float32Array | undefined): number {
  if (!got || !wanted) return Number.NaN;
  return Math.hypot(...got.map((value, i) => value - (wanted[i] ?? Number.NaN))) / Math.hypot(...wanted);
}

it('change pictures as they would change the weights, alone and beside others', async () => {
  const all = randomLora(targets.unetConvolutions, 3, 1.5, 1);
  const both = randomLora(/(?:resnets\.0\.conv1|samplers\.0\.conv|attentions\.\d\..*to_q|proj_in)$/, 2, 4, 2);
  // conv_in, conv_out, linear_1, linear_2, down- and upsamplers, and of each resnet conv1, conv2 and time_emb_proj
  const kinds = [...all.modules.keys()].map((name) => name.replace(/^.*?(\w+)$/, '$1'));
  expect(new Set(kinds)).toEqual(
    new Set(['conv_in', 'conv_out', 'linear_1', 'linear_2', 'conv', 'conv1', 'conv2', 'conv_shortcut', 'time_emb_proj']),
  );
  const ink = await readLora(`${fixtures}lora/ink.kohya.safetensors`);
  const unetOnly = loraFrom(new Map([...ink.modules].filter(([name]) => name.startsWith('unet.'))));
  const sets: WeightedLora[][] = [
    [{ lora: all, weight: 0.7 }],
    [
      { lora: both, weight: -1 },
      { lora: all, weight: 0.5 },
    ],
    [{ lora: unetOnly, weight: 1 }],
    [],
  ];
  const requests = sets.map((set, i) => request(i, set));
  const together = await latents(pipeline, ...requests);
  for (const [i, set] of sets.entries()) {
    const [wanted] = await latents(await mergedWith(set), request(i, []));
    expect(relativeError(together[i], wanted)).toBeLessThan(1e-4);
    const [alone] = await latents(pipeline, request(i, set));
    expect(relativeError(alone, wanted)).toBeLessThan(1e-4);
    // The LoRAs do something, or the comparison would prove nothing.
    if (set.length > 0) expect(relativeError(wanted, (await latents(pipeline, request(i, [])))[0])).toBeGreaterThan(0.01);
  }
});

it('are refused where the kernel is another', async () => {
  const module = 'unet.down_blocks.0.resnets.0.conv1';
  const lora = randomLora(/^down_blocks\.0\.resnets\.0\.conv1$/, 1, 1, 3);
  const half = lora.modules.get(module);
  if (!half) throw new Error('no such module');
  const { kernel: _, ...plain } = half;
  const wrong = loraFrom(new Map([[module, plain]]));
  await expect(begin(pipeline, request(1, [{ lora: wrong, weight: 1 }]))).rejects.toMatchObject({
    code: 'lora_mismatch',
    message: expect.stringContaining('3 × 3'),
  });
});
