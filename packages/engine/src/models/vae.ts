import { z } from 'zod';
import type { Tensor } from '../graph/tensor.ts';
import { attention, Conv, conv, groupNorm, Linear, linear, Norm, silu } from '../layers.ts';

const Resnet = z.strictObject({ norm1: Norm, conv1: Conv, norm2: Norm, conv2: Conv, conv_shortcut: Conv.optional() });
type Resnet = z.infer<typeof Resnet>;

/** Since diffusers 0.18; before that the four projections had other names, as SD 1.5's own file still has. */
const Attention = z.strictObject({ group_norm: Norm, to_q: Linear, to_k: Linear, to_v: Linear, to_out: z.tuple([Linear]) });
const OldAttention = z.strictObject({ group_norm: Norm, query: Linear, key: Linear, value: Linear, proj_attn: Linear });
const Middle = z.strictObject({ resnets: z.tuple([Resnet, Resnet]), attentions: z.tuple([z.union([Attention, OldAttention])]) });
type Middle = z.infer<typeof Middle>;

const Resample = z.array(z.strictObject({ conv: Conv }));

/** The weights of diffusers' AutoencoderKL. */
export const Vae = z.strictObject({
  encoder: z.strictObject({
    conv_in: Conv,
    down_blocks: z.array(z.strictObject({ resnets: z.array(Resnet), downsamplers: Resample.optional() })),
    mid_block: Middle,
    conv_norm_out: Norm,
    conv_out: Conv,
  }),
  quant_conv: Conv,
  post_quant_conv: Conv,
  decoder: z.strictObject({
    conv_in: Conv,
    mid_block: Middle,
    up_blocks: z.array(z.strictObject({ resnets: z.array(Resnet), upsamplers: Resample.optional() })),
    conv_norm_out: Norm,
    conv_out: Conv,
  }),
});
export type Vae = z.infer<typeof Vae>;

/** What encoding and decoding need of an autoencoder's config.json. */
export const VaeConfig = z.object({
  norm_num_groups: z.int().positive(),
  scaling_factor: z.number().positive().default(0.18215),
  block_out_channels: z.array(z.int().positive()),
  latents_mean: z.null('latents that are shifted by a mean are not supported').optional(),
  latents_std: z.null('latents that are scaled by channel are not supported').optional(),
});
export type VaeConfig = z.infer<typeof VaeConfig>;

const epsilon = 1e-6;

/** Pictures `[batch, 3, H, W]` in −1 … 1 to the mean and log-variance of their latents, each `[batch, 4, h, w]` (arXiv 1312.6114). */
export function encode(
  { encoder, quant_conv }: Vae,
  { norm_num_groups: groups }: VaeConfig,
  pictures: Tensor,
): { mean: Tensor; logVariance: Tensor } {
  let x = conv(encoder.conv_in, pictures, { padding: 1 });
  for (const { resnets, downsamplers } of encoder.down_blocks) {
    for (const block of resnets) x = resnet(block, x, groups);
    // Padded at the bottom and the right only, as the original's asymmetric downsampling does.
    for (const { conv: down } of downsamplers ?? []) x = x.conv(down.weight, down.bias, 2, [0, 0, 1, 1]);
  }
  x = middle(encoder.mid_block, x, groups);
  const moments = conv(
    quant_conv,
    conv(encoder.conv_out, silu(groupNorm(encoder.conv_norm_out, x, groups, epsilon)), { padding: 1 }),
  );
  const channels = moments.size(1) / 2;
  return { mean: moments.slice(1, 0, channels), logVariance: moments.slice(1, channels, 2 * channels) };
}

/** Latents `[batch, 4, h, w]`, not scaled, to pictures `[batch, 3, H, W]` around −1 … 1. */
export function decode({ decoder, post_quant_conv }: Vae, { norm_num_groups: groups }: VaeConfig, latents: Tensor): Tensor {
  let x = middle(decoder.mid_block, conv(decoder.conv_in, conv(post_quant_conv, latents), { padding: 1 }), groups);
  for (const { resnets, upsamplers } of decoder.up_blocks) {
    for (const block of resnets) x = resnet(block, x, groups);
    for (const { conv: up } of upsamplers ?? []) x = conv(up, x.enlarge(2), { padding: 1 });
  }
  return conv(decoder.conv_out, silu(groupNorm(decoder.conv_norm_out, x, groups, epsilon)), { padding: 1 });
}

function resnet(block: Resnet, x: Tensor, groups: number): Tensor {
  const h = conv(block.conv1, silu(groupNorm(block.norm1, x, groups, epsilon)), { padding: 1 });
  const residual = conv(block.conv2, silu(groupNorm(block.norm2, h, groups, epsilon)), { padding: 1 });
  return (block.conv_shortcut ? conv(block.conv_shortcut, x) : x).add(residual);
}

function middle({ resnets, attentions }: Middle, x: Tensor, groups: number): Tensor {
  const [first, second] = resnets;
  const h = resnet(first, x, groups);
  const [block] = attentions;
  const { q, k, v, out } =
    'to_q' in block
      ? { q: block.to_q, k: block.to_k, v: block.to_v, out: block.to_out[0] }
      : { q: block.query, k: block.key, v: block.value, out: block.proj_attn };
  const channels = h.size(1);
  const tokens = groupNorm(block.group_norm, h, groups, epsilon).reshape([0, channels, -1]).transpose([0, 2, 1]);
  const mixed = linear(out, attention(linear(q, tokens), linear(k, tokens), linear(v, tokens), 1));
  return resnet(second, mixed.transpose([0, 2, 1]).reshapeLike(h).add(h), groups);
}
