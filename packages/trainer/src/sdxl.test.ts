import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeSafetensors, type Lora, openBatch, openPipeline, type Pipeline, readLora } from '@loraloom/engine';
import { writeTinySdxl } from '@loraloom/engine/test/sdxl-tiny';
import { settledTrainingRequestSchema } from '@loraloom/jobs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { encodeDiffusersLora, encodeLora } from './encode-lora.ts';
import { metadataOf } from './metadata.ts';
import { trainingOf } from './options.ts';
import { runTraining, type TrainerStep } from './run-training.ts';

/*
 * A LoRA of Stable Diffusion XL from request to files, on a pipeline of tiny sizes with random weights.
 */

let folder: string;
let pipeline: Pipeline;
let lora: Lora;
const steps: TrainerStep[] = [];
const pictures = [3, 7, 11].map((shade) => ({
  repeats: shade === 3 ? 2 : 1,
  caption: `stripes ${shade}`,
  picture: { width: 96, height: 72, data: Uint8Array.from({ length: 96 * 72 * 3 }, (_, i) => (i * shade) % 256) },
}));
const files = pictures.map(({ picture, ...rest }) => ({ ...rest, read: async () => picture }));
const request = settledTrainingRequestSchema.parse({
  ...{ model: 'xl', name: 'stripes', files: [{ file_id: 'file_7yt09zhw3gq8m5tr1vkd2xcfaj', caption: '' }] },
  ...{ rank: 4, alpha: 2, targets: 'attention+ff', train_text_encoder: true, text_encoder_lr: 1e-3, trigger_word: 'sks' },
  ...{ steps: 16, batch_size: 1, seed: 7, resolution: 64, flip_aug: true, learning_rate: 3e-2, validation_split: 0.3 },
  ...{ save_steps: 5, sample_every_n_steps: 16, sample_prompts: ['sks, stripes'] },
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'loraloom-sdxl-'));
  await writeTinySdxl(folder);
  pipeline = await openPipeline(folder);
  const sampling = { batch: openBatch(pipeline, 2), steps: 2, guidanceScale: 2, sampler: 'ddim' as const };
  const run = runTraining(pipeline, request, trainingOf(request, { files }), sampling, new AbortController().signal);
  let next = await run.next();
  for (; !next.done; next = await run.next()) steps.push(next.value);
  lora = next.value;
}, 240_000);
afterAll(async () => {
  await pipeline.close();
  await rm(folder, { recursive: true });
});

const about = { name: 'stripes', model: 'xl', modelDigest: 'ab', files, priorPictures: 0 };

it('learns, on pictures that it was not shown too, and draws samples', () => {
  const losses = steps.flatMap(({ saved }) => saved?.validationLoss ?? []);
  expect(losses.length).toBe(4);
  expect(losses[3]).toBeLessThan(0.97 * (losses[0] ?? 0));
  const mean = (some: readonly TrainerStep[]) => some.reduce((sum, { loss }) => sum + loss, 0) / some.length;
  expect(mean(steps.slice(-4))).toBeLessThan(0.95 * mean(steps.slice(0, 4)));
  const samples = steps.flatMap((step) => step.samples ?? []);
  expect(samples.map(({ prompt, picture }) => [prompt, picture.width, picture.height])).toEqual([['sks, stripes', 64, 64]]);
});

it('writes the file that kohya’s trainer, ComfyUI and web UIs read', async () => {
  const bytes = await encodeLora(lora, metadataOf(request, about, pipeline));
  const { tensors, metadata } = decodeSafetensors(bytes);
  // sd-scripts' names: those of the original UNet, and of two text encoders.
  const names = [...tensors.keys()];
  expect(new Set(names.map((name) => /^lora_(?:unet_(?:input|middle|output)_blocks?|te1|te2)/.exec(name)?.[0]))).toEqual(
    new Set(['lora_unet_input_blocks', 'lora_unet_middle_block', 'lora_unet_output_blocks', 'lora_te1', 'lora_te2']),
  );
  expect(names.filter((name) => name.endsWith('.lora_down.weight')).length).toBe(lora.modules.size);
  expect(names.filter((name) => name.endsWith('.alpha')).every((name) => tensors.get(name)?.data[0] === 4)).toBe(true);
  const begin = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  expect(metadata).toMatchObject({
    ss_v2: 'False',
    ss_base_model_version: 'sdxl_base_v1-0',
    ss_network_module: 'networks.lora',
    ss_network_dim: '4',
    // alpha is folded into the weights.
    ss_network_alpha: '4',
    ss_output_name: 'stripes',
    ss_unet_lr: '0.03',
    ss_text_encoder_lr: '0.001',
    ss_resolution: '(64, 64)',
    ss_num_train_images: '4',
    ss_dataset_dirs: JSON.stringify({ '2_stripes': { n_repeats: 2, img_count: 1 }, '1_stripes': { n_repeats: 1, img_count: 2 } }),
    'modelspec.sai_model_spec': '1.0.1',
    'modelspec.architecture': 'stable-diffusion-xl-v1-base/lora',
    'modelspec.prediction_type': 'epsilon',
    'modelspec.resolution': '64x64',
    'modelspec.trigger_phrase': 'sks',
    sshs_model_hash: createHash('sha256').update(bytes.subarray(begin)).digest('hex'),
  });
});

it('writes the same layers for diffusers', async () => {
  const bytes = await encodeDiffusersLora(lora);
  const path = join(folder, 'pytorch_lora_weights.safetensors');
  await writeFile(path, bytes);
  const back = await readLora(path);
  expect(new Set(back.modules.keys())).toEqual(new Set(lora.modules.keys()));
  expect(new Set([...back.modules.keys()].map((name) => name.split('.')[0]))).toEqual(
    new Set(['unet', 'text_encoder', 'text_encoder_2']),
  );
  const { format, lora_adapter_metadata: adapter = '{}' } = back.metadata;
  expect(format).toBe('pt');
  expect(JSON.parse(adapter)).toMatchObject({ 'unet.r': 4, 'unet.lora_alpha': 4, 'text_encoder_2.r': 4 });
});
