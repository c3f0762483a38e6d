import { describe, expect, it } from 'vitest';
import { encoders, unets } from '../../test/published.ts';
import { Graph } from '../graph/graph.ts';
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

function modelOf(name: keyof typeof unets): Model {
  const unet = UnetConfig.parse(unets[name]);
  const family = familyOf(unet);
  const named = (prefix: string, shapes: readonly Shape[]) => shapes.map(([rest, dims]): Shape => [`${prefix}.${rest}`, dims]);
  const texts = family.towers.flatMap(({ name: tower, pooled }, i) => {
    const config = encoders[name][i] ?? encoders.sd1[0];
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
