import { expect, it } from 'vitest';
import { type Shape, textShapes, unetShapes, vaeShapes } from './shapes.ts';

const parameters = (shapes: readonly Shape[]) => {
  expect(new Set(shapes.map(([name]) => name)).size).toBe(shapes.length);
  return shapes.reduce((sum, [, dims]) => sum + dims.reduce((a, b) => a * b, 1), 0);
};

const cross = (...attends: boolean[]) => ({
  down_block_types: attends.map((yes) => (yes ? 'CrossAttnDownBlock2D' : 'DownBlock2D')),
  up_block_types: attends.toReversed().map((yes) => (yes ? 'CrossAttnUpBlock2D' : 'UpBlock2D')),
});
const clip = (hidden_size: number, num_hidden_layers: number) => ({
  hidden_size,
  intermediate_size: 4 * hidden_size,
  num_hidden_layers,
  max_position_embeddings: 77,
});
const sd = { block_out_channels: [320, 640, 1280, 1280], layers_per_block: 2, ...cross(true, true, true, false) };
const sdxl = {
  block_out_channels: [320, 640, 1280],
  layers_per_block: 2,
  cross_attention_dim: 2048,
  ...cross(false, true, true),
  transformer_layers_per_block: [1, 2, 10],
  use_linear_projection: true,
  projection_class_embeddings_input_dim: 2816,
};

// The counts that PyTorch gives for the published models.
it.each([
  ['Stable Diffusion 1.5', unetShapes({ ...sd, cross_attention_dim: 768 }), 859_520_964],
  ['Stable Diffusion 2.1', unetShapes({ ...sd, cross_attention_dim: 1024, use_linear_projection: true }), 865_910_724],
  ['Stable Diffusion XL', unetShapes(sdxl), 2_567_463_684],
  ['Stable Diffusion XL with an input for guidance', unetShapes({ ...sdxl, time_cond_proj_dim: 256 }), 2_567_463_684 + 256 * 320],
  ['CLIP ViT-L', textShapes(49_408, clip(768, 12)), 123_060_480],
  [
    'OpenCLIP ViT-bigG',
    [...textShapes(49_408, clip(1280, 32)), ['text_projection.weight', [1280, 1280]] satisfies Shape],
    694_659_840,
  ],
  ['the autoencoder', vaeShapes({ block_out_channels: [128, 256, 512, 512], layers_per_block: 2 }), 83_653_863],
])('%s has as many parameters as published', (_, shapes, count) => {
  expect(parameters(shapes)).toBe(count);
});
