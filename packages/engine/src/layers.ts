import { z } from 'zod';
import { Tensor } from './graph/tensor.ts';

/*
 * Layers as types and functions: a type is a piece of a checkpoint's own tree with the checkpoint's names,
 * a function is its forward pass. Strict schemas, so that a weight that no function reads is an error.
 */

const tensor = z.instanceof(Tensor);

/** The two halves of a LoRA on one layer: `[r, in]` and `[out, r]`, or one pair per picture, `[batch or 1, r, in]` and `[batch or 1, out, r]`. */
const Lora = z.strictObject({ down: tensor, up: tensor });
type Lora = z.infer<typeof Lora>;

/** `[out, in]`; a 1×1 convolution `[out, in, 1, 1]` used on tokens counts as one. */
export const Linear = z.strictObject({ weight: tensor, bias: tensor.optional(), lora: Lora.optional() });
export type Linear = z.infer<typeof Linear>;

/** `[out, in, kh, kw]`; of a LoRA `down` is `[r, in, kh, kw]`, for all pictures the same, and `up` `[out, r]`, or one per picture. */
export const Conv = z.strictObject({ weight: tensor, bias: tensor.optional(), lora: Lora.optional() });
export type Conv = z.infer<typeof Conv>;

/** Scale and shift `[channels]` after a normalization. */
export const Norm = z.strictObject({ weight: tensor, bias: tensor });
export type Norm = z.infer<typeof Norm>;

/** `[rows, width]` */
export const Embedding = z.strictObject({ weight: tensor });
export type Embedding = z.infer<typeof Embedding>;

/** x Wᵀ + b, and with a LoRA (arXiv 2106.09685) + x downᵀ upᵀ; its scale is already in `up`. x: `[batch, tokens, in]` or `[batch, in]`. */
export function linear({ weight, bias, lora }: Linear, x: Tensor): Tensor {
  const matrix = weight.rank === 4 ? weight.reshape([weight.size(0), weight.size(1)]) : weight;
  const product = x.matmul(matrix.transposed());
  const adapted = lora ? product.add(adaptation(lora, x)) : product;
  return bias ? adapted.add(bias) : adapted;
}

function adaptation({ down, up }: Lora, x: Tensor): Tensor {
  // A picture's one vector among matrices, one per picture, is a matrix of one row.
  if (x.rank === 2 && down.rank === 3) return adaptation({ down, up }, x.reshape([0, 1, x.size(1)])).reshape([-1, up.size(1)]);
  return x.matmul(down.transposed()).matmul(up.transposed());
}

/** A convolution of `[N, C, H, W]` padded by `padding` on all sides, with a LoRA a second one beside it, to few channels and back. */
export function conv({ weight, bias, lora }: Conv, x: Tensor, { stride = 1, padding = 0 } = {}): Tensor {
  const pads = [padding, padding, padding, padding];
  const product = x.conv(weight, bias, stride, pads);
  if (!lora) return product;
  const narrow = x.conv(lora.down, undefined, stride, pads);
  return product.add(lora.up.matmul(narrow.reshape([0, 0, -1])).reshapeLike(product));
}

/** Group normalization (arXiv 1803.08494) of `[N, C, H, W]`. */
export function groupNorm({ weight, bias }: Norm, x: Tensor, groups: number, epsilon: number): Tensor {
  const channels = x.size(1);
  const normalized = x.reshape([0, groups, -1]).instanceNorm(epsilon).reshapeLike(x);
  return normalized.mul(weight.reshape([channels, 1, 1])).add(bias.reshape([channels, 1, 1]));
}

/** Layer normalization over the last dimension. */
export const layerNorm = ({ weight, bias }: Norm, x: Tensor, epsilon: number): Tensor => x.layerNorm(weight, bias, epsilon);

export const silu = (x: Tensor): Tensor => x.mul(x.sigmoid());

/** The exact GELU, x Φ(x), in the order in which onnxruntime recognizes it and makes it one operator, four times as fast. */
export const gelu = (x: Tensor): Tensor => x.mul(x.div(Math.SQRT2).erf().add(1)).mul(0.5);

/** CLIP's approximation of GELU. */
export const quickGelu = (x: Tensor): Tensor => x.mul(x.mul(1.702).sigmoid());

/**
 * Scaled dot-product attention (arXiv 1706.03762) over `[batch, tokens, heads × width]`.
 * @param mask added to the scores, `[tokens, tokens]`
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, heads: number, mask?: Tensor): Tensor {
  if (q.graph.purpose === 'fused' && !mask) return q.multiHeadAttention(k, v, heads);
  const width = q.size(-1) / heads;
  const split = (x: Tensor) => x.reshape([0, 0, heads, width]).transpose([0, 2, 1, 3]);
  const scores = split(q.mul(width ** -0.5)).matmul(split(k).transposed());
  const weights = (mask ? scores.add(mask) : scores).softmax();
  return weights
    .matmul(split(v))
    .transpose([0, 2, 1, 3])
    .reshape([0, 0, heads * width]);
}
