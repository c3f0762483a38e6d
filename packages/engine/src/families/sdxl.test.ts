import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clip, matrixOf, unet } from '../../test/reference.ts';
import {
  type Case,
  cat,
  expectedPrediction,
  expectedText,
  idsOf,
  latents,
  predictions,
  relativeError,
  weightsIn,
} from '../../test/sdxl-expected.ts';
import * as tiny from '../../test/sdxl-tiny.ts';
import { pack } from '../adapters.ts';
import { type Lora, type LoraModule, loraFrom } from '../files/lora.ts';
import { readTensors } from '../files/safetensors.ts';
import { randomFrom } from '../random.ts';
import { encodeText, framing, textsOf } from './conditions.ts';
import type { AdaptedLayer } from './model.ts';
import { openPipeline, type Pipeline } from './pipeline.ts';

/*
 * Stable Diffusion XL against a second implementation of its networks in plain loops over float64 (test/reference.ts), on a tiny
 * model. No numbers of PyTorch's exist for it here, but for Stable Diffusion 1 they do, and the second implementation gives them.
 */

const fixtures = fileURLToPath(new URL('../../fixtures/sd-tiny/', import.meta.url));
let folder: string;
let pipeline: Pipeline;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdxl-'));
  await tiny.writeTinySdxl(folder);
  pipeline = await openPipeline(folder);
});
afterAll(async () => {
  await pipeline.close();
  await rm(folder, { recursive: true });
});

const mountains: Case = {
  text: 'mountains',
  timestep: 250,
  latents: latents(2),
  frame: { width: 32, height: 64, original: { width: 1024, height: 768 }, crop: { left: 7, top: 33 } },
};

describe('the second implementation', () => {
  it("gives PyTorch's numbers for Stable Diffusion 1", async () => {
    const { tensors } = await readTensors(`${fixtures}golden.safetensors`);
    const golden = (name: string) => tensors.get(name)?.data ?? new Float32Array();
    const text = await weightsIn(`${fixtures}model/text_encoder/model.safetensors`);
    const config = { num_hidden_layers: 2, num_attention_heads: 4, hidden_act: 'quick_gelu' };
    const { last } = clip(text, config, [...golden('text.input_ids').subarray(77, 154)]);
    expect(relativeError(golden('text.last_hidden_state').subarray(77 * 32, 154 * 32), last.data)).toBeLessThan(1e-5);
    const sizes = {
      ...tiny.unet,
      block_out_channels: [32, 64],
      norm_num_groups: 8,
      attention_head_dim: [8, 8],
      transformer_layers_per_block: [1, 1],
      down_block_types: ['CrossAttnDownBlock2D', 'DownBlock2D'],
      up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D'],
    };
    const image = { channels: 4, height: 8, width: 24, data: Float64Array.from(golden('unet.sample_wide')) };
    const context = matrixOf(golden('text.last_hidden_state').subarray(0, 77 * 32), 32);
    const weights = await weightsIn(`${fixtures}model/unet/diffusion_pytorch_model.safetensors`);
    const { data } = unet(weights, sizes, image, { context, timestep: 321 });
    expect(relativeError(golden('unet.noise_pred_wide'), data)).toBeLessThan(1e-5);
  });
});

describe('text', () => {
  it('is padded with end tokens for the first encoder and with "!" for the second', () => {
    const [first, second] = [idsOf(pipeline, 'ids', 'a cat'), idsOf(pipeline, 'ids_2', 'a cat')];
    const end = first.indexOf(691);
    expect(end).toBeGreaterThan(1);
    expect(first.slice(end)).toEqual(new Array(77 - end).fill(691));
    expect(second.slice(0, end + 1)).toEqual(first.slice(0, end + 1));
    expect(second.slice(end + 1)).toEqual(new Array(76 - end).fill(0));
  });

  it.each(['a photo of a cat on a red sofa', '', 'sneakers '.repeat(90)])('is encoded as by the reference: %j', async (text) => {
    const { context, pooled } = await encodeText(pipeline, text, pack(await pipeline.programs.text(), [[]]));
    const want = await expectedText(pipeline, text);
    expect([context?.dims, pooled?.dims]).toEqual([
      [1, 77, 40],
      [1, 20],
    ]);
    expect(relativeError(context?.data, want.context.data)).toBeLessThan(1e-5);
    expect(relativeError(pooled?.data, want.pooled)).toBeLessThan(1e-5);
  });

  it('is silence where no negative prompt is given, and only there', () => {
    const request = { prompt: '', negativePrompt: '', guidanceScale: 5 };
    expect(textsOf(pipeline.model, request)).toEqual([null, '']);
    expect(textsOf(pipeline.model, { ...request, negativePrompt: 'blurry' })).toEqual(['blurry', '']);
    expect(textsOf(pipeline.model, { ...request, guidanceScale: 1 })).toEqual(['']);
    expect(textsOf({ ...pipeline.model, emptyIsSilent: false }, request)).toEqual(['', '']);
  });

  it('is zeros where it is silence', async () => {
    const silence = await encodeText(pipeline, null, {});
    expect(Object.keys(silence).sort()).toEqual(['context', 'pooled']);
    expect(Object.values(silence).every(({ data }) => data.length > 0 && data.every((value) => value === 0))).toBe(true);
  });
});

/** A LoRA of rank 2 on every layer that may have one. */
function loraOn(layers: readonly AdaptedLayer[]): Lora {
  const random = randomFrom(11);
  const half = (length: number, width: number) => random.fillNormal(new Float32Array(length)).map((v) => v / Math.sqrt(width));
  const modules = layers.map(({ module, inFeatures, outFeatures }): [string, LoraModule] => [
    module,
    { down: half(2 * inFeatures, inFeatures), up: half(outFeatures * 2, 4), rank: 2, inFeatures, outFeatures, alpha: 1 },
  ]);
  return loraFrom(new Map(modules));
}

describe('the UNet', () => {
  it('knows the sizes in their order: original, crop, target, each height first', () => {
    const [plain, cropped] = [cat, mountains].map(({ frame }) => Array.from(framing(pipeline.model, frame).sizes?.data ?? []));
    expect(plain).toEqual([64, 32, 0, 0, 64, 32]);
    expect(cropped).toEqual([768, 1024, 33, 7, 64, 32]);
  });

  it('predicts what the reference predicts, each picture with its own text, sizes and time', async () => {
    const [first, second] = await predictions(pipeline, [cat, mountains]);
    expect(relativeError(first, await expectedPrediction(pipeline, cat))).toBeLessThan(1e-4);
    expect(relativeError(second, await expectedPrediction(pipeline, mountains))).toBeLessThan(1e-4);
    // The sizes matter, or the comparison would not show that they are right.
    const [other] = await predictions(pipeline, [{ ...mountains, frame: { ...mountains.frame, crop: { left: 33, top: 7 } } }]);
    expect(relativeError(other, second ?? [])).toBeGreaterThan(1e-3);
  });

  it('is adapted with both text encoders by LoRAs on every layer, as if these were merged into the weights', async () => {
    const layers = [...(await pipeline.programs.text()).layers, ...(await pipeline.programs.unet()).layers];
    const count = (prefix: string) => layers.filter(({ module }) => module.startsWith(prefix)).length;
    // Six layers of each block of an encoder; two projections and ten layers of each block of the transformers, of which there are
    // 1 + 2 at level 1 with two blocks each, and 1 + 1 + 2 at level 2 with three.
    expect(['text_encoder.', 'text_encoder_2.', 'unet.'].map(count)).toEqual([18, 12, 3 * 22 + 4 * 32]);
    const lora = loraOn(layers);
    const adapted = [cat, mountains].map((picture) => ({ ...picture, lora }));
    const [plain, ...got] = await predictions(pipeline, [cat, ...adapted]);
    for (const [i, picture] of adapted.entries())
      expect(relativeError(got[i], await expectedPrediction(pipeline, picture))).toBeLessThan(1e-4);
    expect(relativeError(plain, got[0] ?? [])).toBeGreaterThan(0.1);
  });
});

describe('a distilled model with an input for the guidance scale', () => {
  let distilled: Pipeline;
  let where: string;
  beforeAll(async () => {
    where = await mkdtemp(join(tmpdir(), 'sdxl-'));
    await tiny.writeTinySdxl(where, { unet: { time_cond_proj_dim: 12 }, index: { force_zeros_for_empty_prompt: false } });
    distilled = await openPipeline(where);
  });
  afterAll(async () => {
    await distilled.close();
    await rm(where, { recursive: true });
  });

  it('is guided without a negative prompt', () => {
    expect(textsOf(distilled.model, { prompt: 'a cat', negativePrompt: 'blurry', guidanceScale: 8 })).toEqual(['a cat']);
    expect(distilled.model.emptyIsSilent).toBe(false);
  });

  it('is told the scale in waves of falling frequency', async () => {
    // A scale of 8.5 is 7.5 beyond the plain prediction; diffusers' pipelines multiply it by 1000, and the last frequency is 1/10000.
    const waves = Array.from({ length: 6 }, (_, i) => 7500 / 10000 ** (i / 5));
    const guidance = [...waves.map(Math.sin), ...waves.map(Math.cos)];
    const conditions = {
      ...(await encodeText(distilled, cat.text, pack(await distilled.programs.text(), [[]]))),
      ...framing(distilled.model, { ...cat.frame, guidanceScale: 8.5 }),
    };
    for (const [i, wave] of guidance.entries()) expect(conditions.guidance?.data[i]).toBeCloseTo(wave, 5);
    const program = await distilled.programs.unet();
    const run = async (told: typeof conditions) => {
      const sample = { data: cat.latents, dims: [1, 4, 16, 8] };
      const timesteps = { data: Float32Array.of(999), dims: [1] };
      return (await program.run({ ...told, sample, timesteps, ...pack(program, [[]]) })).prediction;
    };
    expect(relativeError(await run(conditions), await expectedPrediction(distilled, { ...cat, guidance }))).toBeLessThan(1e-4);
    // A training tells of no guidance, which is the same as a network without this input.
    const silent = await run({ ...conditions, ...framing(distilled.model, cat.frame) });
    expect(relativeError(silent, await expectedPrediction(distilled, cat))).toBeLessThan(1e-4);
  });
});
