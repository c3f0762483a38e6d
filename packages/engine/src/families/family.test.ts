import { describe, expect, it } from 'vitest';
import { Graph } from '../graph/tensor.ts';
import { ClipTextConfig } from '../models/clip.ts';
import { UnetConfig } from '../models/unet.ts';
import { VaeConfig } from '../models/vae.ts';
import { type Shape, textShapes, unetShapes } from '../shapes.ts';
import { graphInputs } from './conditions.ts';
import { familyOf, targets } from './family.ts';
import { adapt, buildText, buildUnet, type Model, perPicture, weightsOf } from './model.ts';

/*
 * The published models' sizes, without their weights: that every layer fits to the next, that no weight is left over, and which
 * layers LoRAs adapt.
 */

const blocks = (attends: readonly boolean[]) => ({
  down_block_types: attends.map((yes) => (yes ? 'CrossAttnDownBlock2D' : 'DownBlock2D')),
  up_block_types: attends.toReversed().map((yes) => (yes ? 'CrossAttnUpBlock2D' : 'UpBlock2D')),
});
const common = { in_channels: 4, layers_per_block: 2, norm_num_groups: 32 };
const sd = { ...common, ...blocks([true, true, true, false]), block_out_channels: [320, 640, 1280, 1280] };
const unets = {
  sd1: { ...sd, attention_head_dim: 8, cross_attention_dim: 768, sample_size: 64 },
  sd2: { ...sd, attention_head_dim: [5, 10, 20, 20], cross_attention_dim: 1024, sample_size: 96, use_linear_projection: true },
  sdxl: {
    ...common,
    ...blocks([false, true, true]),
    addition_embed_type: 'text_time',
    addition_time_embed_dim: 256,
    attention_head_dim: [5, 10, 20],
    block_out_channels: [320, 640, 1280],
    cross_attention_dim: 2048,
    projection_class_embeddings_input_dim: 2816,
    sample_size: 128,
    transformer_layers_per_block: [1, 2, 10],
    use_linear_projection: true,
  },
};
const clip = (width: number, layers: number, heads: number, hidden_act: string) => ({
  hidden_act,
  hidden_size: width,
  intermediate_size: 4 * width,
  max_position_embeddings: 77,
  num_attention_heads: heads,
  num_hidden_layers: layers,
  projection_dim: width,
});
const large = clip(768, 12, 12, 'quick_gelu');
const encoders = { sd1: [large], sd2: [clip(1024, 23, 16, 'gelu')], sdxl: [large, clip(1280, 32, 20, 'gelu')] };

function modelOf(name: keyof typeof unets): Model {
  const unet = UnetConfig.parse(unets[name]);
  const family = familyOf(unet);
  const named = (prefix: string, shapes: readonly Shape[]) => shapes.map(([rest, dims]): Shape => [`${prefix}.${rest}`, dims]);
  const texts = family.towers.flatMap(({ name: tower, pooled }, i) => {
    const config = encoders[name][i] ?? large;
    const projection: Shape[] = pooled ? [[`${tower}.text_projection.weight`, [config.projection_dim, config.hidden_size]]] : [];
    return [...named(`${tower}.text_model`, textShapes(49_408, config)), ...projection];
  });
  const open = (tower: (typeof family.towers)[number], i: number) => ({
    ...tower,
    config: ClipTextConfig.parse(encoders[name][i]),
    tokenizerFolder: '',
  });
  const [first, ...others] = family.towers;
  return {
    folder: '',
    family,
    unet,
    towers: [open(first, 0), ...others.map((tower, i) => open(tower, i + 1))],
    vae: VaeConfig.parse({ norm_num_groups: 32, block_out_channels: [128, 256, 512, 512] }),
    schedule: {},
    emptyIsSilent: false,
    files: {},
    async weights(network, graph) {
      const shapes = network === 'unet' ? named('unet', unetShapes(unets[name])) : texts;
      return new Map(shapes.map(([id, dims]) => [id, graph.weight(id, dims, 'float32', { file: '', offset: 0, length: 0 })]));
    },
  };
}

describe.each([
  // The second and third numbers are those that sd-scripts prints when it makes a LoRA.
  ['sd1', { context: 768, unet: 192, text: 72, attention: 128 }],
  ['sd2', { context: 1024, unet: 192, text: 138, attention: 128 }],
  ['sdxl', { context: 2048, unet: 722, text: 72 + 192, attention: 560 }],
] as const)('%s', (name, wanted) => {
  const model = modelOf(name);

  it('is told from its UNet', () => {
    expect(model.family.name).toBe(name);
  });

  it('encodes texts to what its UNet wants', async () => {
    const graph = new Graph();
    const weights = adapt(await weightsOf(model, 'text', graph), 'text', graph, perPicture);
    expect(weights.adapted.length).toBe(wanted.text);
    const features = buildText(model, weights, graphInputs(model, graph, 'tokens', 3));
    expect(features.context?.dims).toEqual([3, 77, wanted.context]);
    expect(features.pooled?.dims).toEqual(name === 'sdxl' ? [3, 1280] : undefined);
  });

  it('predicts latents at any size', async () => {
    const graph = new Graph();
    const weights = adapt(await weightsOf(model, 'unet', graph), 'unet', graph, perPicture);
    expect(weights.adapted.length).toBe(wanted.unet);
    expect(weights.adapted.filter(({ module }) => targets.unetAttention.test(module)).length).toBe(wanted.attention);
    const told = { ...graphInputs(model, graph, 'features', null), ...graphInputs(model, graph, 'framing', null) };
    const sample = graph.input('sample', [null, 4, null, null]);
    expect(buildUnet(model, weights, sample, graph.input('timesteps', [null]), told).dims).toEqual([null, 4, null, null]);
  });
});
