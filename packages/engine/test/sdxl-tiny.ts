import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeSafetensors } from '../src/files/safetensors.ts';
import { randomFrom } from '../src/random.ts';
import { type Shape, textShapes, unetShapes } from '../src/shapes.ts';

/*
 * A Stable Diffusion XL pipeline of tiny sizes with random weights, in the diffusers folder layout: two text encoders, transformers
 * of several blocks, the embedding of text and sizes. Its autoencoder and vocabulary are those of `sd-tiny`.
 */

const clip = (hidden_size: number, num_hidden_layers: number, hidden_act: string, projection_dim: number) => ({
  hidden_act,
  hidden_size,
  intermediate_size: 2 * hidden_size,
  layer_norm_eps: 1e-5,
  max_position_embeddings: 77,
  num_attention_heads: 4,
  num_hidden_layers,
  projection_dim,
});

export const text_encoder = clip(16, 3, 'quick_gelu', 16);
export const text_encoder_2 = clip(24, 2, 'gelu', 20);

export const unet = {
  _class_name: 'UNet2DConditionModel',
  act_fn: 'silu',
  addition_embed_type: 'text_time' as string | null,
  addition_time_embed_dim: 8,
  attention_head_dim: [1, 2, 4],
  block_out_channels: [8, 16, 32],
  cross_attention_dim: 40,
  down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D'],
  flip_sin_to_cos: true,
  freq_shift: 0,
  in_channels: 4,
  layers_per_block: 1,
  norm_eps: 1e-5,
  norm_num_groups: 4,
  out_channels: 4,
  projection_class_embeddings_input_dim: 20 + 6 * 8,
  sample_size: 16,
  time_cond_proj_dim: null as number | null,
  transformer_layers_per_block: [1, 2, 3],
  up_block_types: ['CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'],
  use_linear_projection: true,
};

/** Writes the pipeline. @param changes of the UNet's and the pipeline's configurations */
export async function writeTinySdxl(
  folder: string,
  changes: { unet?: Partial<typeof unet>; index?: Record<string, unknown> } = {},
): Promise<void> {
  const tiny = fileURLToPath(new URL('../fixtures/sd-tiny/model', import.meta.url));
  const json = async (path: string, value: unknown) => {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), JSON.stringify(value));
  };
  for (const part of ['vae', 'scheduler', 'tokenizer']) await cp(join(tiny, part), join(folder, part), { recursive: true });
  await cp(join(tiny, 'tokenizer'), join(folder, 'tokenizer_2'), { recursive: true });
  const read = async (path: string) => JSON.parse(await readFile(join(tiny, path), 'utf8'));
  await json('tokenizer_2/tokenizer_config.json', { ...(await read('tokenizer/tokenizer_config.json')), pad_token: '!' });
  await json('vae/config.json', { ...(await read('vae/config.json')), scaling_factor: 0.13025 });
  await json('model_index.json', {
    _class_name: 'StableDiffusionXLPipeline',
    force_zeros_for_empty_prompt: true,
    ...changes.index,
  });
  const vocabulary = Object.keys(await read('tokenizer/vocab.json')).length;
  const named = (shapes: readonly Shape[]) => shapes.map(([name, dims]): Shape => [`text_model.${name}`, dims]);
  const config = { ...unet, ...changes.unet };
  await json('unet/config.json', config);
  await json('text_encoder/config.json', text_encoder);
  await json('text_encoder_2/config.json', text_encoder_2);
  await write(join(folder, 'unet/diffusion_pytorch_model.safetensors'), unetShapes(config), 1);
  await write(join(folder, 'text_encoder/model.safetensors'), named(textShapes(vocabulary, text_encoder)), 2);
  const { projection_dim, hidden_size } = text_encoder_2;
  const projection: Shape = ['text_projection.weight', [projection_dim, hidden_size]];
  await write(
    join(folder, 'text_encoder_2/model.safetensors'),
    [...named(textShapes(vocabulary, text_encoder_2)), projection],
    3,
  );
}

/** Random weights that keep the signal's size: norms about one, the rest by their inputs' number. */
async function write(path: string, shapes: readonly Shape[], seed: number): Promise<void> {
  const random = randomFrom(seed);
  const tensors = shapes.map(([name, shape]) => {
    const data = random.fillNormal(new Float32Array(shape.reduce((a, b) => a * b, 1)));
    const inputs = shape.slice(1).reduce((a, b) => a * b, 1);
    const norm = /norm[^.]*\.weight$/.test(name);
    const scale = shape.length === 1 || /embedding\.weight$/.test(name) ? 0.2 : 1 / Math.sqrt(inputs);
    return [name, { dtype: 'F32' as const, shape, data: data.map((value) => Number(norm) + scale * value) }] as const;
  });
  await writeSafetensors(path, new Map(tensors), { format: 'pt' });
}
