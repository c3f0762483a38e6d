import { z } from 'zod';
import type { Tensor } from '../graph/tensor.ts';
import { attention, Conv, conv, gelu, groupNorm, Linear, layerNorm, linear, Norm, silu } from '../layers.ts';

const Resnet = z.strictObject({
  norm1: Norm,
  conv1: Conv,
  time_emb_proj: Linear,
  norm2: Norm,
  conv2: Conv,
  conv_shortcut: Conv.optional(),
});
type Resnet = z.infer<typeof Resnet>;

const Attention = z.strictObject({ to_q: Linear, to_k: Linear, to_v: Linear, to_out: z.tuple([Linear]) });
type Attention = z.infer<typeof Attention>;

const TransformerBlock = z.strictObject({
  norm1: Norm,
  attn1: Attention,
  norm2: Norm,
  attn2: Attention,
  norm3: Norm,
  // net.1 is a dropout, which has no weights.
  ff: z.strictObject({ net: z.tuple([z.strictObject({ proj: Linear }), z.undefined(), Linear]) }),
});

/** `proj_in` and `proj_out` are 1×1 convolutions in SD 1.x and linear since 2.x: the same product over tokens. */
const Transformer = z.strictObject({
  norm: Norm,
  proj_in: Linear,
  transformer_blocks: z.array(TransformerBlock),
  proj_out: Linear,
});
type Transformer = z.infer<typeof Transformer>;

const Resample = z.array(z.strictObject({ conv: Conv }));

/** The weights of diffusers' UNet2DConditionModel as Stable Diffusion 1.x, 2.x and XL have them. */
export const Unet = z.strictObject({
  conv_in: Conv,
  // cond_proj: of models that were distilled to take the guidance scale as an input.
  time_embedding: z.strictObject({ linear_1: Linear, linear_2: Linear, cond_proj: Linear.optional() }),
  // Stable Diffusion XL's embedding of the text as a whole and of the picture's size.
  add_embedding: z.strictObject({ linear_1: Linear, linear_2: Linear }).optional(),
  down_blocks: z.array(
    z.strictObject({ resnets: z.array(Resnet), attentions: z.array(Transformer).optional(), downsamplers: Resample.optional() }),
  ),
  mid_block: z.strictObject({ resnets: z.tuple([Resnet, Resnet]), attentions: z.tuple([Transformer]) }),
  up_blocks: z.array(
    z.strictObject({ resnets: z.array(Resnet), attentions: z.array(Transformer).optional(), upsamplers: Resample.optional() }),
  ),
  conv_norm_out: Norm,
  conv_out: Conv,
});
export type Unet = z.infer<typeof Unet>;

const perBlock = z.union([z.int().positive(), z.array(z.int().positive())]);

/** What the forward pass needs of a UNet's config.json; what it does not implement is refused by name. */
export const UnetConfig = z.object({
  in_channels: z.literal(4, 'only text-to-image UNets with 4 input channels are supported'),
  block_out_channels: z.array(z.int().positive()),
  layers_per_block: z.int().positive(),
  attention_head_dim: perBlock,
  num_attention_heads: perBlock.nullish(),
  norm_num_groups: z.int().positive(),
  norm_eps: z.number().default(1e-5),
  act_fn: z.literal('silu').default('silu'),
  flip_sin_to_cos: z.boolean().default(true),
  freq_shift: z.number().default(0),
  addition_embed_type: z.literal('text_time', 'only the additional embeddings of Stable Diffusion XL are supported').nullish(),
  use_linear_projection: z.boolean().default(false),
  /** Width of the embedding of each of the picture's sizes. */
  addition_time_embed_dim: z.int().positive().nullish(),
  /** Width of the embedding of the guidance scale, where that is an input. */
  time_cond_proj_dim: z.int().positive().nullish(),
  class_embed_type: z.null().optional(),
  encoder_hid_dim_type: z.null().optional(),
  resnet_time_scale_shift: z.literal('default').default('default'),
  dual_cross_attention: z.literal(false).default(false),
  cross_attention_dim: z.int().positive(),
  sample_size: z.int().positive(),
});
export type UnetConfig = z.infer<typeof UnetConfig>;

/** What the network is told beside the latents and their time. */
export interface Told {
  /** Text features `[batch, tokens, cross_attention_dim]`. */
  context: Tensor;
  /** With `addition_embed_type` alone: the text as a whole `[batch, projection]`, and the picture's sizes `[batch, 6]`. */
  pooled?: Tensor | undefined;
  sizes?: Tensor | undefined;
  /** With `time_cond_proj_dim` alone: the embedded guidance scale `[batch, time_cond_proj_dim]`. */
  guidance?: Tensor | undefined;
}

/**
 * The denoising network (arXiv 2112.10752, 2307.01952): what the model predicts (noise or velocity), `[batch, 4, H, W]`.
 * @param sample noisy latents `[batch, 4, H, W]`, H and W multiples of 2 to the number of downsamplings
 * @param timesteps one per picture, `[batch]` float32, 0 … 999
 */
export function unet(weights: Unet, config: UnetConfig, sample: Tensor, timesteps: Tensor, told: Told): Tensor {
  const groups = config.norm_num_groups;
  const { context } = told;
  const { graph } = sample;
  const time = silu(timeEmbedding(weights, config, timesteps, told));

  const resnet = (block: Resnet, x: Tensor) => {
    const shift = linear(block.time_emb_proj, time).reshape([0, -1, 1, 1]);
    const h = conv(block.conv1, silu(groupNorm(block.norm1, x, groups, config.norm_eps)), { padding: 1 }).add(shift);
    const residual = conv(block.conv2, silu(groupNorm(block.norm2, h, groups, config.norm_eps)), { padding: 1 });
    return (block.conv_shortcut ? conv(block.conv_shortcut, x) : x).add(residual);
  };
  const transform = (block: Transformer | undefined, x: Tensor, level: number) =>
    block ? transformer(block, x, context, groups, heads(config, level)) : x;

  let x = conv(weights.conv_in, sample, { padding: 1 });
  const skips = [x];
  weights.down_blocks.forEach((block, level) => {
    block.resnets.forEach((layer, i) => {
      x = graph.segment(() => transform(block.attentions?.[i], resnet(layer, x), level));
      skips.push(x);
    });
    for (const { conv: down } of block.downsamplers ?? []) {
      x = conv(down, x, { stride: 2, padding: 1 });
      skips.push(x);
    }
  });

  const [first, second] = weights.mid_block.resnets;
  x = graph.segment(() => transform(weights.mid_block.attentions[0], resnet(first, x), weights.down_blocks.length - 1));
  x = graph.segment(() => resnet(second, x));

  weights.up_blocks.forEach((block, i) => {
    const level = weights.up_blocks.length - 1 - i;
    block.resnets.forEach((layer, j) => {
      const skip = skips.pop();
      if (!skip) throw new Error(`up_blocks.${i}.resnets.${j}: the down blocks left no features for it`);
      x = graph.segment(() => transform(block.attentions?.[j], resnet(layer, x.concat([skip], 1)), level));
    });
    for (const { conv: up } of block.upsamplers ?? []) x = conv(up, x.enlarge(2), { padding: 1 });
  });
  return conv(weights.conv_out, silu(groupNorm(weights.conv_norm_out, x, groups, config.norm_eps)), { padding: 1 });
}

/** Diffusers' configurations call the number of heads `attention_head_dim`; a later key, where present, says what it means. */
function heads(config: UnetConfig, level: number): number {
  const value = config.num_attention_heads ?? config.attention_head_dim;
  return typeof value === 'number' ? value : (value[level] ?? 1);
}

/** Time, and what else concerns the whole picture, as one vector `[batch, width]`. */
function timeEmbedding(
  { time_embedding: { linear_1, linear_2, cond_proj }, add_embedding }: Unet,
  config: UnetConfig,
  timesteps: Tensor,
  { pooled, sizes, guidance }: Told,
): Tensor {
  const waves = sinusoids(timesteps, linear_1.weight.size(1), config);
  // Consistency models distilled from guided ones: arXiv 2310.04378, section 4.1.
  if (cond_proj && !guidance) throw new Error('unet: the embedded guidance scale wanted');
  const guided = cond_proj && guidance ? waves.add(linear(cond_proj, guidance)) : waves;
  const time = linear(linear_2, silu(linear(linear_1, guided)));
  if (!add_embedding) return time;
  if (!pooled || !sizes) throw new Error("unet: the pooled text and the picture's sizes wanted");
  // Micro-conditioning: arXiv 2307.01952, section 2.2.
  const width = config.addition_time_embed_dim ?? 256;
  const each = sinusoids(sizes, width, config).reshape([-1, width * sizes.size(1)]);
  const { linear_1: first, linear_2: second } = add_embedding;
  return time.add(linear(second, silu(linear(first, pooled.concat([each], 1)))));
}

/** Sinusoidal embedding of times or other numbers, `[numbers, width]` (arXiv 1706.03762, with diffusers' order of cosines and sines). */
function sinusoids(timesteps: Tensor, width: number, config: UnetConfig): Tensor {
  const half = width / 2;
  const frequencies = Array.from({ length: half }, (_, i) => Math.exp((-Math.log(10000) * i) / (half - config.freq_shift)));
  const angles = timesteps.reshape([-1, 1]).mul(timesteps.graph.constant(frequencies, [1, half]));
  return config.flip_sin_to_cos ? angles.cos().concat([angles.sin()], 1) : angles.sin().concat([angles.cos()], 1);
}

function transformer(
  { norm, proj_in, transformer_blocks, proj_out }: Transformer,
  image: Tensor,
  context: Tensor,
  groups: number,
  heads: number,
): Tensor {
  const channels = image.size(1);
  const tokens = groupNorm(norm, image, groups, 1e-6).reshape([0, channels, -1]).transpose([0, 2, 1]);
  let x = linear(proj_in, tokens);
  for (const { norm1, attn1, norm2, attn2, norm3, ff } of transformer_blocks) {
    const h = layerNorm(norm1, x, 1e-5);
    x = x.add(attend(attn1, h, h, heads));
    x = x.add(attend(attn2, layerNorm(norm2, x, 1e-5), context, heads));
    const [{ proj }, , out] = ff.net;
    x = x.add(linear(out, geglu(linear(proj, layerNorm(norm3, x, 1e-5)))));
  }
  return linear(proj_out, x).transpose([0, 2, 1]).reshapeLike(image).add(image);
}

const attend = ({ to_q, to_k, to_v, to_out }: Attention, x: Tensor, context: Tensor, heads: number) =>
  linear(to_out[0], attention(linear(to_q, x), linear(to_k, context), linear(to_v, context), heads));

/** The gated GELU of arXiv 2002.05202: the first half, times the GELU of the second. */
function geglu(x: Tensor): Tensor {
  const width = x.size(-1) / 2;
  return x.slice(x.rank - 1, 0, width).mul(gelu(x.slice(x.rank - 1, width, 2 * width)));
}
