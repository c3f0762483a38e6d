/** What a part of a UNet is called in the original latent-diffusion code, and in diffusers; names of what is inside begin with it. */
export type Names = readonly [original: string, diffusers: string];

const resnet = (original: string, diffusers: string): Names[] => [
  [`${original}.in_layers.0`, `${diffusers}.norm1`],
  [`${original}.in_layers.2`, `${diffusers}.conv1`],
  [`${original}.emb_layers.1`, `${diffusers}.time_emb_proj`],
  [`${original}.out_layers.0`, `${diffusers}.norm2`],
  [`${original}.out_layers.3`, `${diffusers}.conv2`],
  [`${original}.skip_connection`, `${diffusers}.conv_shortcut`],
];

/**
 * The parts of Stable Diffusion's UNets (CompVis/stable-diffusion, openaimodel.py; diffusers, unet_2d_condition.py). The original
 * numbers its blocks throughout: on the way down `layers` a level and one that halves, behind the first convolution; on the way up
 * one more than `layers` a level, the last of which doubles. The insides of attentions have the same names in both.
 * @param layers per level on the way down: 2 in all released models
 */
export function unetBlocks(layers = 2, levels = 4): Names[] {
  const names: Names[] = [
    ['time_embed.0', 'time_embedding.linear_1'],
    ['time_embed.2', 'time_embedding.linear_2'],
    ['label_emb.0.0', 'add_embedding.linear_1'],
    ['label_emb.0.2', 'add_embedding.linear_2'],
    ['input_blocks.0.0', 'conv_in'],
    ['out.0', 'conv_norm_out'],
    ['out.2', 'conv_out'],
    ...resnet('middle_block.0', 'mid_block.resnets.0'),
    ['middle_block.1', 'mid_block.attentions.0'],
    ...resnet('middle_block.2', 'mid_block.resnets.1'),
  ];
  for (let level = 0; level < levels; level++) {
    const [down, up] = [`down_blocks.${level}`, `up_blocks.${level}`];
    for (let layer = 0; layer < layers; layer++) {
      const block = `input_blocks.${1 + level * (layers + 1) + layer}`;
      names.push(...resnet(`${block}.0`, `${down}.resnets.${layer}`), [`${block}.1`, `${down}.attentions.${layer}`]);
    }
    names.push([`input_blocks.${(level + 1) * (layers + 1)}.0.op`, `${down}.downsamplers.0.conv`]);
    for (let layer = 0; layer <= layers; layer++) {
      const block = `output_blocks.${level * (layers + 1) + layer}`;
      // What doubles comes behind the attention, or in its place; asked first, or `.1` would be taken for an attention.
      if (layer === layers) names.push(...[2, 1].map((i): Names => [`${block}.${i}.conv`, `${up}.upsamplers.0.conv`]));
      names.push(...resnet(`${block}.0`, `${up}.resnets.${layer}`), [`${block}.1`, `${up}.attentions.${layer}`]);
    }
  }
  return names;
}

/** A name whose beginning is a part's is given that part's other name; undefined if it is none's. */
export function renamed(name: string, parts: Iterable<readonly [from: string, to: string]>, separator = '.'): string | undefined {
  for (const [from, to] of parts) if (name === from || name.startsWith(from + separator)) return to + name.slice(from.length);
  return undefined;
}
