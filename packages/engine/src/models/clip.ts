import { z } from 'zod';
import type { Tensor } from '../graph/tensor.ts';
import { attention, Embedding, gelu, Linear, layerNorm, linear, Norm, quickGelu } from '../layers.ts';

const Layer = z.strictObject({
  layer_norm1: Norm,
  self_attn: z.strictObject({ q_proj: Linear, k_proj: Linear, v_proj: Linear, out_proj: Linear }),
  layer_norm2: Norm,
  mlp: z.strictObject({ fc1: Linear, fc2: Linear }),
});

/** The weights of transformers' CLIPTextModel, below `text_model.` (older files) or at the top (transformers 5). */
export const ClipText = z.strictObject({
  embeddings: z.strictObject({ token_embedding: Embedding, position_embedding: Embedding, position_ids: z.unknown().optional() }),
  encoder: z.strictObject({ layers: z.array(Layer) }),
  final_layer_norm: Norm,
});
export type ClipText = z.infer<typeof ClipText>;

/** What the forward pass needs of a CLIPTextModel's config.json. */
export const ClipTextConfig = z.object({
  num_attention_heads: z.int().positive(),
  hidden_act: z.enum(['quick_gelu', 'gelu']),
  layer_norm_eps: z.number().default(1e-5),
  projection_dim: z.int().positive().default(512),
});
export type ClipTextConfig = z.infer<typeof ClipTextConfig>;

/**
 * CLIP's text encoder (arXiv 2103.00020): token ids `[batch, tokens]` (int64) to hidden states `[batch, tokens, width]`,
 * `last` after all layers and the final norm, `penultimate` as the last layer gets them. The number of tokens is the model's maximum, 77.
 */
export function hiddenStates(
  { embeddings, encoder, final_layer_norm }: ClipText,
  config: ClipTextConfig,
  ids: Tensor,
): { last: Tensor; penultimate: Tensor } {
  const heads = config.num_attention_heads;
  const epsilon = config.layer_norm_eps;
  const activation = config.hidden_act === 'gelu' ? gelu : quickGelu;
  const positions = embeddings.position_embedding.weight;
  const mask = causalMask(positions);
  let x = embeddings.token_embedding.weight.gather(ids).add(positions);
  let penultimate = x;
  for (const { layer_norm1, self_attn, layer_norm2, mlp } of encoder.layers) {
    penultimate = x;
    const h = layerNorm(layer_norm1, x, epsilon);
    const mixed = attention(linear(self_attn.q_proj, h), linear(self_attn.k_proj, h), linear(self_attn.v_proj, h), heads, mask);
    x = x.add(linear(self_attn.out_proj, mixed));
    x = x.add(linear(mlp.fc2, activation(linear(mlp.fc1, layerNorm(layer_norm2, x, epsilon)))));
  }
  return { last: layerNorm(final_layer_norm, x, epsilon), penultimate };
}

/** The last hidden state, `[batch, tokens, width]`. */
export const clipText = (weights: ClipText, config: ClipTextConfig, ids: Tensor): Tensor =>
  hiddenStates(weights, config, ids).last;

/**
 * What the text comes to as a whole, `[batch, projection]`: the features of its end, projected.
 * @param last the last hidden state, `[batch, tokens, width]`
 * @param end `[batch, tokens]`: 1 at the first end token, 0 elsewhere
 */
export function pooledText(projection: Linear, last: Tensor, end: Tensor): Tensor {
  // A product with ones and zeros picks rows exactly, and is differentiable.
  const tokens = end.size(1);
  return linear(
    projection,
    end
      .reshape([0, 1, tokens])
      .matmul(last)
      .reshape([0, last.size(2)]),
  );
}

/** `[tokens, tokens]`: 0 where a token may look, the least float32 where it may not. */
function causalMask(positions: Tensor): Tensor {
  const tokens = positions.size(0);
  const mask = Array.from({ length: tokens * tokens }, (_, i) =>
    i % tokens > Math.floor(i / tokens) ? -3.4028234663852886e38 : 0,
  );
  return positions.graph.constant(mask, [tokens, tokens]);
}
