import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PictureRequest } from '../denoise.ts';
import { type TensorToStore, writeSafetensors } from '../files/safetensors.ts';
import { openBatch, resultOf } from '../generate.ts';
import type { Picture } from '../pixels.ts';
import { randomFrom } from '../random.ts';
import { type Shape, textShapes, unetShapes, vaeShapes } from '../shapes.ts';
import { openPipeline } from './pipeline.ts';

/*
 * The same random weights twice: in diffusers' folder layout, and in one file with the names of the original code, which are
 * counted here as its constructors count.
 */

const tiny = fileURLToPath(new URL('../../fixtures/sd-tiny/model/', import.meta.url));

const clip = (width: number, layers: number, hidden_act: string) => ({
  hidden_act,
  hidden_size: width,
  intermediate_size: 4 * width,
  max_position_embeddings: 77,
  num_attention_heads: width / 64,
  num_hidden_layers: layers,
  projection_dim: 20,
});
const attends = (yes: boolean[]) => ({
  down_block_types: yes.map((one) => (one ? 'CrossAttnDownBlock2D' : 'DownBlock2D')),
  up_block_types: yes.toReversed().map((one) => (one ? 'CrossAttnUpBlock2D' : 'UpBlock2D')),
});
const common = { in_channels: 4, layers_per_block: 2, norm_num_groups: 32, sample_size: 64 };
const linear = { ...common, block_out_channels: [64, 128], attention_head_dim: [1, 2], use_linear_projection: true };
const models = {
  sd1: {
    unet: { ...common, ...attends([true, false]), block_out_channels: [32, 64], attention_head_dim: 8, cross_attention_dim: 64 },
    texts: [clip(64, 2, 'quick_gelu')],
  },
  sd2: { unet: { ...linear, ...attends([true, false]), cross_attention_dim: 128 }, texts: [clip(128, 2, 'gelu')] },
  sdxl: {
    unet: {
      ...linear,
      ...attends([false, true]),
      addition_embed_type: 'text_time',
      addition_time_embed_dim: 256,
      cross_attention_dim: 192,
      projection_class_embeddings_input_dim: 20 + 6 * 256,
      sample_size: 128,
      transformer_layers_per_block: [1, 2],
    },
    texts: [clip(64, 2, 'quick_gelu'), clip(128, 3, 'gelu')],
  },
};
const vae = { block_out_channels: [32, 32, 64], layers_per_block: 2, norm_num_groups: 32 };
type Base = keyof typeof models;
type Tensors = Map<string, TensorToStore & { data: Float32Array }>;

function randomWeights(shapes: readonly Shape[], seed: number): Tensors {
  const random = randomFrom(seed);
  return new Map(
    shapes.map(([name, shape]) => {
      const data = random.fillNormal(new Float32Array(shape.reduce((a, b) => a * b, 1)));
      const norm = /norm[^.]*\.weight$/.test(name);
      const scale =
        shape.length === 1 || /embedding\.weight$/.test(name) ? 0.2 : shape.slice(1).reduce((a, b) => a * b, 1) ** -0.5;
      return [name, { dtype: 'F32' as const, shape, data: data.map((value) => Number(norm) + scale * value) }];
    }),
  );
}

/** diffusers' names of a UNet's parts with the original's: openaimodel.py, UNetModel.__init__, block by block. */
function unetNames({
  block_out_channels: { length: levels },
  layers_per_block: layers,
  up_block_types,
}: (typeof models)[Base]['unet']) {
  const names = new Map([
    ['conv_in', 'input_blocks.0.0'],
    ['time_embedding.linear_1', 'time_embed.0'],
    ['time_embedding.linear_2', 'time_embed.2'],
    ['add_embedding.linear_1', 'label_emb.0.0'],
    ['add_embedding.linear_2', 'label_emb.0.2'],
    ['conv_norm_out', 'out.0'],
    ['conv_out', 'out.2'],
    ['mid_block.attentions.0', 'middle_block.1'],
  ]);
  const resnet = (diffusers: string, original: string) => {
    for (const [ours, theirs] of Object.entries({
      norm1: 'in_layers.0',
      conv1: 'in_layers.2',
      time_emb_proj: 'emb_layers.1',
      norm2: 'out_layers.0',
      conv2: 'out_layers.3',
      conv_shortcut: 'skip_connection',
    }))
      names.set(`${diffusers}.${ours}`, `${original}.${theirs}`);
  };
  resnet('mid_block.resnets.0', 'middle_block.0');
  resnet('mid_block.resnets.1', 'middle_block.2');
  let n = 1;
  for (let level = 0; level < levels; level++) {
    for (let layer = 0; layer < layers; layer++) {
      resnet(`down_blocks.${level}.resnets.${layer}`, `input_blocks.${n}.0`);
      names.set(`down_blocks.${level}.attentions.${layer}`, `input_blocks.${n++}.1`);
    }
    if (level < levels - 1) names.set(`down_blocks.${level}.downsamplers.0.conv`, `input_blocks.${n++}.0.op`);
  }
  n = 0;
  for (let level = 0; level < levels; level++) {
    for (let layer = 0; layer <= layers; layer++) {
      let place = 0;
      resnet(`up_blocks.${level}.resnets.${layer}`, `output_blocks.${n}.${place++}`);
      if (up_block_types[level]?.startsWith('Cross'))
        names.set(`up_blocks.${level}.attentions.${layer}`, `output_blocks.${n}.${place++}`);
      if (layer === layers && level < levels - 1)
        names.set(`up_blocks.${level}.upsamplers.0.conv`, `output_blocks.${n}.${place}.conv`);
      n++;
    }
  }
  return names;
}

/** The same of the autoencoder: taming-transformers, model.py. */
function vaeName(name: string): string {
  const last = vae.block_out_channels.length - 1;
  return name
    .replace(/down_blocks\.(\d)\.resnets\.(\d)/, 'down.$1.block.$2')
    .replace(/down_blocks\.(\d)\.downsamplers\.0/, 'down.$1.downsample')
    .replace(/up_blocks\.(\d)\.resnets\.(\d)/, (_, level, block) => `up.${last - Number(level)}.block.${block}`)
    .replace(/up_blocks\.(\d)\.upsamplers\.0/, (_, level) => `up.${last - Number(level)}.upsample`)
    .replace(/mid_block\.resnets\.(\d)/, (_, i) => `mid.block_${Number(i) + 1}`)
    .replace('mid_block.attentions.0', 'mid.attn_1')
    .replace('group_norm', 'norm')
    .replace(/\.to_([qkv])\./, '.$1.')
    .replace('.to_out.0.', '.proj_out.')
    .replace('conv_norm_out', 'norm_out')
    .replace('conv_shortcut', 'nin_shortcut');
}

/** OpenCLIP's text transformer: query, key and value in one, the projection the other way round, and what only training needs. */
function openClip(tensors: Tensors, layers: number, more: number): Tensors {
  const named: Tensors = new Map();
  const take = (name: string) => tensors.get(name) ?? expect.unreachable();
  const copy = (to: string, from: string) => {
    for (const kind of ['weight', 'bias']) named.set(`${to}.${kind}`, take(`text_model.${from}.${kind}`));
  };
  named.set('token_embedding.weight', take('text_model.embeddings.token_embedding.weight'));
  named.set('positional_embedding', take('text_model.embeddings.position_embedding.weight'));
  copy('ln_final', 'final_layer_norm');
  for (let i = 0; i < layers + more; i++) {
    // A layer that is not used has some weights too.
    const [ours, theirs] = [`encoder.layers.${Math.min(i, layers - 1)}`, `transformer.resblocks.${i}`];
    copy(`${theirs}.ln_1`, `${ours}.layer_norm1`);
    copy(`${theirs}.ln_2`, `${ours}.layer_norm2`);
    copy(`${theirs}.attn.out_proj`, `${ours}.self_attn.out_proj`);
    copy(`${theirs}.mlp.c_fc`, `${ours}.mlp.fc1`);
    copy(`${theirs}.mlp.c_proj`, `${ours}.mlp.fc2`);
    for (const kind of ['weight', 'bias']) {
      const parts = ['q', 'k', 'v'].map((part) => take(`text_model.${ours}.self_attn.${part}_proj.${kind}`));
      const [rows = 0, ...rest] = parts[0]?.shape ?? [];
      const data = Float32Array.from(parts.flatMap((part) => [...part.data]));
      named.set(`${theirs}.attn.in_proj_${kind}`, { dtype: 'F32', shape: [3 * rows, ...rest], data });
    }
  }
  const projection = tensors.get('text_projection.weight');
  const [to = 0, from = 0] = projection?.shape ?? [];
  if (projection) {
    const data = projection.data.map((_, i) => projection.data[(i % to) * from + Math.floor(i / to)] ?? 0);
    named.set('text_projection', { dtype: 'F32', shape: [from, to], data });
  }
  return named.set('logit_scale', { dtype: 'F32', shape: [], data: Float32Array.of(4.6) });
}

/** Writes both layouts. @param change of the single file's tensors */
async function write(where: string, base: Base, change: (tensors: Tensors) => void = () => undefined, metadata = {}) {
  const { unet, texts } = models[base];
  const [folder, beside] = [join(where, 'folder'), join(where, 'single')];
  const json = async (path: string, value: unknown) => {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), JSON.stringify(value));
  };
  const vocabulary = Object.keys(JSON.parse(await readFile(join(tiny, 'tokenizer/vocab.json'), 'utf8'))).length;
  const single: Tensors = new Map();
  const into = (prefix: string, tensors: Tensors) => {
    for (const [name, tensor] of tensors) single.set(prefix + name, tensor);
  };
  await json('model_index.json', { force_zeros_for_empty_prompt: base === 'sdxl' });
  await json('scheduler/scheduler_config.json', {
    ...{ beta_schedule: 'scaled_linear', beta_start: 0.00085, beta_end: 0.012, set_alpha_to_one: false, steps_offset: 1 },
    ...metadata,
  });
  await json('unet/config.json', unet);
  await json('vae/config.json', { ...vae, scaling_factor: base === 'sdxl' ? 0.13025 : 0.18215 });

  const unetWeights = randomWeights(unetShapes(unet), 1);
  await writeSafetensors(join(folder, 'unet/diffusion_pytorch_model.safetensors'), unetWeights);
  // Longest first: a part's name may begin with another's.
  const names = [...unetNames(unet)].sort(([a], [b]) => b.length - a.length);
  for (const [name, tensor] of unetWeights) {
    const [ours, theirs] = names.find(([part]) => name.startsWith(`${part}.`)) ?? [];
    if (!ours || !theirs) throw new Error(name);
    single.set(`model.diffusion_model.${theirs}${name.slice(ours.length)}`, tensor);
  }

  const vaeWeights = randomWeights(vaeShapes(vae), 2);
  await mkdir(join(folder, 'vae'), { recursive: true });
  await writeSafetensors(join(folder, 'vae/diffusion_pytorch_model.safetensors'), vaeWeights);
  for (const [name, tensor] of vaeWeights) {
    // The attention's projections are 1×1 convolutions there.
    const wide = /mid_block\.attentions.*(?:to_\w|to_out\.0)\.weight$/.test(name);
    single.set(`first_stage_model.${vaeName(name)}`, wide ? { ...tensor, shape: [...tensor.shape, 1, 1] } : tensor);
  }

  for (const [i, config] of texts.entries()) {
    const [tower, tokenizer] = i === 0 ? ['text_encoder', 'tokenizer'] : ['text_encoder_2', 'tokenizer_2'];
    const shapes = textShapes(vocabulary, config).map(([name, dims]): Shape => [`text_model.${name}`, dims]);
    const weights = randomWeights(i === 1 ? [...shapes, ['text_projection.weight', [20, config.hidden_size]]] : shapes, 3 + i);
    await json(`${tower}/config.json`, config);
    await writeSafetensors(join(folder, tower, 'model.safetensors'), weights);
    for (const to of [folder, beside]) await cp(join(tiny, 'tokenizer'), join(to, tokenizer), { recursive: true });
    if (base === 'sd1') into('cond_stage_model.transformer.', weights);
    else if (base === 'sd2') into('cond_stage_model.model.', openClip(weights, config.num_hidden_layers, 1));
    else if (i === 0) into('conditioner.embedders.0.transformer.', weights);
    else into('conditioner.embedders.1.model.', openClip(weights, config.num_hidden_layers, 0));
  }
  // What is in such files beside the model
  for (const name of ['betas', 'model_ema.decay', 'first_stage_model.loss.logvar', 'denoiser.sigmas'])
    single.set(name, { dtype: 'F32', shape: [1], data: Float32Array.of(1) });
  if (base === 'sd1')
    single.set('cond_stage_model.transformer.text_model.embeddings.position_ids', {
      dtype: 'I64',
      shape: [1, 77],
      data: Float32Array.from({ length: 77 }, (_, i) => i),
    });
  change(single);
  const path = join(beside, 'model.safetensors');
  await writeSafetensors(path, single, 'prediction_type' in metadata ? { 'modelspec.prediction_type': 'v' } : {});
  return { folder, beside, path };
}

const side = 64;
const picture: Picture = {
  width: side,
  height: side,
  data: Uint8Array.from({ length: 3 * side * side }, (_, i) => (i * 31) % 256),
};

/** A picture from a picture and a text: through all of the networks. */
async function made(path: string) {
  const pipeline = await openPipeline(path);
  try {
    const request: PictureRequest = {
      prompt: 'a cat',
      negativePrompt: 'a sofa',
      seed: 1,
      loras: [],
      width: side,
      height: side,
      steps: 4,
      guidanceScale: 3,
      sampler: 'ddim',
      image: { picture, strength: 0.8 },
    };
    const { data } = await resultOf(openBatch(pipeline, 1).generate(request));
    const layers = [...(await pipeline.programs.text()).layers, ...(await pipeline.programs.unetWithConvolutions()).layers];
    const { family, resolution, latentFactor, multiple, schedule } = pipeline;
    return {
      data,
      layers: layers.toSorted((a, b) => (a.module < b.module ? -1 : 1)),
      family,
      resolution,
      latentFactor,
      multiple,
      schedule,
    };
  } finally {
    await pipeline.close();
  }
}

let where: string;
beforeAll(async () => {
  where = await mkdtemp(join(tmpdir(), 'single-'));
});
afterAll(() => rm(where, { recursive: true }));

describe.each(['sd1', 'sd2', 'sdxl'] as const)('a single file of %s', (base) => {
  it('is the same model as its folder', async () => {
    const { folder, path, beside } = await write(join(where, base), base);
    const [wanted, got] = [await made(folder), await made(path)];
    expect(got.family).toBe(base);
    expect({ ...got, data: null, resolution: 0 }).toEqual({ ...wanted, data: null, resolution: 0 });
    const differences = got.data.map((value, i) => Math.abs(value - (wanted.data[i] ?? 999)));
    expect(Math.max(...differences)).toBeLessThanOrEqual(1);
    // Not all one colour, or the comparison would prove nothing
    expect(new Set(wanted.data).size).toBeGreaterThan(50);
    // The folder that it lies in will do as well, as workers have it.
    expect((await openPipeline(beside)).family).toBe(base);
  });
});

it('tells velocities by the metadata', async () => {
  const { folder, path } = await write(join(where, 'v'), 'sd2', undefined, { prediction_type: 'v_prediction' });
  const [wanted, got] = [await made(folder), await made(path)];
  expect(got.schedule).toEqual(wanted.schedule);
  expect(got.schedule.predictionType).toBe('v_prediction');
});

describe('a single file is refused', () => {
  it.each<[string, (tensors: Tensors) => void, string, RegExp]>([
    [
      'for inpainting',
      (tensors) => {
        const name = 'model.diffusion_model.input_blocks.0.0.weight';
        const tensor = tensors.get(name);
        if (tensor) tensors.set(name, { dtype: 'F32', shape: [32, 9, 3, 3], data: new Float32Array(32 * 81) });
      },
      'bad_model',
      /9 input channels, as models for inpainting/,
    ],
    [
      'without a UNet, as a LoRA is',
      (tensors) => {
        for (const name of tensors.keys()) if (name.startsWith('model.')) tensors.delete(name);
      },
      'bad_model',
      /no tensors model\.diffusion_model\.…/,
    ],
    [
      'without a text encoder',
      (tensors) => {
        for (const name of tensors.keys()) if (name.startsWith('cond_stage_model')) tensors.delete(name);
      },
      'bad_model',
      /no text encoder cond_stage_model\.transformer\.…/,
    ],
    [
      'with a weight missing',
      (tensors) => tensors.delete('model.diffusion_model.out.2.weight'),
      'bad_checkpoint',
      /conv_out\.weight/,
    ],
  ])('%s', async (name, change, code, message) => {
    const { path } = await write(join(where, name.replaceAll(/\W/g, '-')), 'sd1', change);
    const opening = openPipeline(path).then((pipeline) => pipeline.programs.unet());
    await expect(opening).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('without its tokenizer', async () => {
    const { path, beside } = await write(join(where, 'mute'), 'sd1');
    await rm(join(beside, 'tokenizer'), { recursive: true });
    await expect(openPipeline(path)).rejects.toMatchObject({ message: expect.stringContaining('tokenizer') });
  });
});
