import { type Names, renamed } from '@loraloom/lora-files';
import type { Tensor } from '../graph/tensor.ts';

/**
 * The autoencoder's parts (CompVis/taming-transformers, model.py; diffusers, autoencoder_kl.py): the original's decoder counts its
 * levels from the finest, diffusers' from the coarsest.
 */
export function vaeParts(levels: number): Names[] {
  const resnet = (original: string, diffusers: string): Names[] => [
    [`${original}.nin_shortcut`, `${diffusers}.conv_shortcut`],
    [original, diffusers],
  ];
  const side = (name: string): Names[] => [
    ...resnet(`${name}.mid.block_1`, `${name}.mid_block.resnets.0`),
    ...resnet(`${name}.mid.block_2`, `${name}.mid_block.resnets.1`),
    ...Object.entries({ norm: 'group_norm', q: 'to_q', k: 'to_k', v: 'to_v', proj_out: 'to_out.0' }).map(
      ([original, diffusers]): Names => [`${name}.mid.attn_1.${original}`, `${name}.mid_block.attentions.0.${diffusers}`],
    ),
    [`${name}.norm_out`, `${name}.conv_norm_out`],
  ];
  const level = (i: number): Names[] => {
    const [down, up] = [`encoder.down_blocks.${i}`, `decoder.up_blocks.${levels - 1 - i}`];
    // Two blocks a level on the way in and three on the way out, in all of them.
    const blocks = [0, 1, 2].flatMap((j) => [
      ...resnet(`encoder.down.${i}.block.${j}`, `${down}.resnets.${j}`),
      ...resnet(`decoder.up.${i}.block.${j}`, `${up}.resnets.${j}`),
    ]);
    return [
      ...blocks,
      [`encoder.down.${i}.downsample`, `${down}.downsamplers.0`],
      [`decoder.up.${i}.upsample`, `${up}.upsamplers.0`],
    ];
  };
  return [...side('encoder'), ...side('decoder'), ...Array.from({ length: levels }, (_, i) => level(i)).flat()];
}

const openClip: readonly Names[] = [
  ['token_embedding', 'embeddings.token_embedding'],
  ['positional_embedding', 'embeddings.position_embedding.weight'],
  ['ln_final', 'final_layer_norm'],
];
const openClipLayer: readonly Names[] = [
  ['ln_1', 'layer_norm1'],
  ['ln_2', 'layer_norm2'],
  ['attn.out_proj', 'self_attn.out_proj'],
  ['mlp.c_fc', 'mlp.fc1'],
  ['mlp.c_proj', 'mlp.fc2'],
];

/**
 * A text encoder with OpenCLIP's names (mlfoundations/open_clip, transformer.py), with transformers': its query, key and value
 * projections are one matrix, and that of the whole text multiplies from the other side. Both become parts of the graph.
 * @param weights by names behind `<tower>.`
 * @param penultimate whether the last layer is left out, as Stable Diffusion 2 does
 */
export function fromOpenClip(weights: ReadonlyMap<string, Tensor>, tower: string, penultimate: boolean): Map<string, Tensor> {
  const layers = [...weights.keys()].flatMap((name) => /\.resblocks\.(\d+)\.ln_1\.weight$/.exec(name)?.[1] ?? []).map(Number);
  const wanted = Math.max(...layers) + 1 - (penultimate ? 1 : 0);
  const named = new Map<string, Tensor>();
  for (const [key, tensor] of weights) {
    const name = key.slice(tower.length + 1);
    const [, number, inside] = /^transformer\.resblocks\.(\d+)\.(.+)$/.exec(name) ?? [];
    if (number !== undefined && inside !== undefined) {
      if (Number(number) >= wanted) continue;
      const layer = `${tower}.text_model.encoder.layers.${number}`;
      const [, kind] = /^attn\.in_proj_(weight|bias)$/.exec(inside) ?? [];
      const width = tensor.size(0) / 3;
      if (kind) {
        for (const [i, part] of ['q_proj', 'k_proj', 'v_proj'].entries())
          named.set(`${layer}.self_attn.${part}.${kind}`, tensor.slice(0, i * width, (i + 1) * width));
      } else named.set(`${layer}.${renamed(inside, openClipLayer) ?? inside}`, tensor);
    } else if (name === 'text_projection') named.set(`${tower}.text_projection.weight`, tensor.transposed());
    else {
      // What else such files hold, as `logit_scale`, was for training.
      const known = renamed(name, openClip);
      if (known) named.set(`${tower}.text_model.${known}`, tensor);
    }
  }
  return named;
}
