import { dirname, join } from 'node:path';
import { type Names, renamed, unetBlocks } from '@loraloom/lora-files';
import { fileWeights } from '../checkpoint.ts';
import { InputError } from '../error.ts';
import { readHeader } from '../files/safetensors.ts';
import type { Tensor } from '../graph/tensor.ts';
import { ClipTextConfig } from '../models/clip.ts';
import { UnetConfig } from '../models/unet.ts';
import { VaeConfig } from '../models/vae.ts';
import { type Family, familyOf } from './family.ts';
import type { Model, OpenTower } from './model.ts';
import { fromOpenClip, vaeParts } from './original-names.ts';

/*
 * A whole model in one file with the names of the original code (CompVis/stable-diffusion, Stability-AI/generative-models), as
 * model-sharing sites have them. Its configurations follow from the weights' shapes; the weights stay in the file.
 */

type Shapes = ReadonlyMap<string, readonly number[]>;

const unetPrefix = 'model.diffusion_model.';
const vaePrefix = 'first_stage_model.';

/**
 * Opens a Stable Diffusion 1.x, 2.x or XL checkpoint in one file. The tokenizers, which it lacks, lie in folders beside it that
 * are called `tokenizer` and, for XL, `tokenizer_2`, as in diffusers' layout.
 * @throws InputError `bad_model`, `bad_safetensors`
 */
export async function readSingleFile(file: string): Promise<Model> {
  const { tensors, metadata } = await readHeader(file);
  const bad = (problem: string) => new InputError('bad_model', `${file}: ${problem}`);
  const below = (prefix: string): Shapes =>
    new Map([...tensors].flatMap(([name, { shape }]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), shape]] : [])));
  const [original, vaeShapes] = [below(unetPrefix), below(vaePrefix)];
  if (original.size === 0 || vaeShapes.size === 0) {
    const missing = original.size === 0 ? unetPrefix : vaePrefix;
    throw bad(`has no tensors ${missing}…: a whole Stable Diffusion model with the original names wanted`);
  }
  const parts = unetParts(original);
  const shapes = new Map([...original].map(([name, shape]) => [renamed(name, parts) ?? name, shape]));
  const inputs = shapes.get('conv_in.weight')?.[1];
  if (inputs !== 4)
    throw bad(`is for ${inputs} input channels, as models for inpainting are; a text-to-image model, of 4, wanted`);
  const unet = unetConfig(shapes);
  const family = familyOf(unet);
  const sources = encoderSources[family.name];
  const [first, ...others] = family.towers.map((tower, i) => {
    const { prefix, style } = sources[i] ?? sources[0];
    const own = below(prefix);
    if (own.size === 0) throw bad(`has no text encoder ${prefix}…: a whole model, with its text encoders, wanted`);
    return { ...tower, config: textConfig(own, style), tokenizerFolder: join(dirname(file), tower.tokenizer) };
  });
  if (!first) throw new Error(`${family.name} has no text encoders`);
  const towers: readonly [OpenTower, ...OpenTower[]] = [first, ...others];
  const velocity = /^v/.test(metadata['modelspec.prediction_type'] ?? '');
  return {
    folder: dirname(file),
    family,
    unet,
    towers,
    vae: vaeConfig(vaeShapes, family),
    schedule: {
      ...{ beta_schedule: 'scaled_linear', beta_start: 0.00085, beta_end: 0.012, set_alpha_to_one: false, steps_offset: 1 },
      prediction_type: velocity ? 'v_prediction' : 'epsilon',
    },
    // What diffusers' own folder of the base model says.
    emptyIsSilent: family.silence,
    files: Object.fromEntries(['unet', 'vae', ...towers.map(({ name }) => name)].map((name) => [name, [file]])),
    async weights(network, graph) {
      const from = (prefix: string, rename: (name: string) => string | undefined) =>
        fileWeights(graph, file, (name) => (name.startsWith(prefix) ? rename(name.slice(prefix.length)) : undefined));
      if (network === 'unet') return from(unetPrefix, (name) => `unet.${renamed(name, parts) ?? name}`);
      if (network === 'vae') {
        const names = vaeParts(levelsOf(vaeShapes));
        return from(vaePrefix, (name) =>
          /^(?:encoder|decoder|(?:post_)?quant_conv)\./.test(name) ? `vae.${renamed(name, names) ?? name}` : undefined,
        );
      }
      const weights = new Map<string, Tensor>();
      for (const [i, { name: tower }] of towers.entries()) {
        const { prefix, style } = sources[i] ?? sources[0];
        const own = await from(prefix, (name) => `${tower}.${name}`);
        const renamedOwn = style === 'open_clip' ? fromOpenClip(own, tower, family.name === 'sd2') : own;
        for (const [name, tensor] of renamedOwn) weights.set(name, tensor);
      }
      return weights;
    },
  };
}

/** Where a family's files keep their text encoders, and whose names these have. */
const encoderSources: Record<Family['name'], readonly [EncoderSource, ...EncoderSource[]]> = {
  sd1: [{ prefix: 'cond_stage_model.transformer.', style: 'transformers' }],
  sd2: [{ prefix: 'cond_stage_model.model.', style: 'open_clip' }],
  sdxl: [
    { prefix: 'conditioner.embedders.0.transformer.', style: 'transformers' },
    { prefix: 'conditioner.embedders.1.model.', style: 'open_clip' },
  ],
};

type EncoderStyle = 'transformers' | 'open_clip';

interface EncoderSource {
  prefix: string;
  style: EncoderStyle;
}

/** The parts of a UNet with as many levels and layers as these weights have. */
function unetParts(original: Shapes): Names[] {
  const halvings = [...original.keys()].flatMap((name) => /^input_blocks\.(\d+)\.0\.op\.weight$/.exec(name)?.[1] ?? []);
  const layers = Math.min(...halvings.map(Number)) - 1;
  const guided: Names = ['time_embed.cond_proj', 'time_embedding.cond_proj'];
  return [guided, ...unetBlocks(Number.isFinite(layers) ? layers : 2, halvings.length + 1)];
}

const firstOf = (shapes: Shapes, pattern: RegExp) => [...shapes].find(([name]) => pattern.test(name))?.[1];

/** What the shapes of a UNet's weights say of it; the rest is the same in all of the original models. */
function unetConfig(shapes: Shapes): UnetConfig {
  const channels: number[] = [];
  for (let level = 0; ; level++) {
    const width = shapes.get(`down_blocks.${level}.resnets.0.conv1.weight`)?.[0];
    if (width === undefined) break;
    channels.push(width);
  }
  const linear = firstOf(shapes, /\.proj_in\.weight$/)?.length === 2;
  const added = shapes.get('add_embedding.linear_1.weight')?.[1];
  return UnetConfig.parse({
    in_channels: 4,
    block_out_channels: channels,
    layers_per_block: [...shapes.keys()].filter((name) => /^down_blocks\.0\.resnets\.\d+\.conv1\.weight$/.test(name)).length,
    // Eight heads in version 1, heads of 64 numbers since.
    attention_head_dim: linear ? channels.map((width) => width / 64) : 8,
    norm_num_groups: 32,
    cross_attention_dim: firstOf(shapes, /\.attn2\.to_k\.weight$/)?.[1],
    use_linear_projection: linear,
    ...(added ? { addition_embed_type: 'text_time', addition_time_embed_dim: 256 } : {}),
    time_cond_proj_dim: shapes.get('time_embedding.cond_proj.weight')?.[1],
    sample_size: added ? 128 : 64,
  });
}

/** How many levels an autoencoder has. */
const levelsOf = (shapes: Shapes): number =>
  [...shapes.keys()].filter((name) => /^encoder\.down\.\d+\.block\.0\.conv1\.weight$/.test(name)).length;

function vaeConfig(shapes: Shapes, { name }: Family): VaeConfig {
  const widths = Array.from(
    { length: levelsOf(shapes) },
    (_, level) => shapes.get(`encoder.down.${level}.block.0.conv1.weight`)?.[0],
  );
  return VaeConfig.parse({
    norm_num_groups: 32,
    block_out_channels: widths,
    scaling_factor: name === 'sdxl' ? 0.13025 : 0.18215,
  });
}

/** A text encoder's layers, and what they are wide, by the names of its style. */
function textConfig(shapes: Shapes, style: EncoderStyle): ClipTextConfig {
  const embedding = style === 'open_clip' ? 'token_embedding.weight' : 'text_model.embeddings.token_embedding.weight';
  const width = shapes.get(embedding)?.[1] ?? 0;
  return ClipTextConfig.parse({
    num_attention_heads: width / 64,
    hidden_act: style === 'open_clip' ? 'gelu' : 'quick_gelu',
    projection_dim: shapes.get('text_projection')?.[1],
  });
}
