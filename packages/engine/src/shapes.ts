/*
 * The shapes of a model's weights, as they follow from its configuration: what a model that is made from nothing begins with.
 */

interface NetworkConfig {
  block_out_channels: readonly number[];
  layers_per_block: number;
}

interface UnetShapeConfig extends NetworkConfig {
  cross_attention_dim: number;
  down_block_types: readonly string[];
  up_block_types: readonly string[];
  /** Blocks of each transformer, by level where it is a list. */
  transformer_layers_per_block?: number | readonly number[];
  use_linear_projection?: boolean;
  /** Width of what is embedded beside the time, with `addition_embed_type`. */
  projection_class_embeddings_input_dim?: number | null;
  time_cond_proj_dim?: number | null;
}

interface TextShapeConfig {
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  max_position_embeddings: number;
}

/** A weight's name in the checkpoint, and its dimensions. */
export type Shape = readonly [name: string, dims: readonly number[]];

const norm = (name: string, channels: number): Shape[] => [
  [`${name}.weight`, [channels]],
  [`${name}.bias`, [channels]],
];
const linear = (name: string, inputs: number, outputs: number, bias = true): Shape[] => [
  [`${name}.weight`, [outputs, inputs]],
  ...(bias ? [[`${name}.bias`, [outputs]] satisfies Shape] : []),
];
const conv = (name: string, inputs: number, outputs: number, kernel = 3): Shape[] => [
  [`${name}.weight`, [outputs, inputs, kernel, kernel]],
  [`${name}.bias`, [outputs]],
];
const resnet = (name: string, inputs: number, outputs: number, time: number | undefined): Shape[] => [
  ...norm(`${name}.norm1`, inputs),
  ...conv(`${name}.conv1`, inputs, outputs),
  ...(time ? linear(`${name}.time_emb_proj`, time, outputs) : []),
  ...norm(`${name}.norm2`, outputs),
  ...conv(`${name}.conv2`, outputs, outputs),
  ...(inputs === outputs ? [] : conv(`${name}.conv_shortcut`, inputs, outputs, 1)),
];

/** The autoencoder's weights, named as diffusers names them. */
export function vaeShapes({ block_out_channels: channels, layers_per_block: layers }: NetworkConfig): Shape[] {
  const [first = 0] = channels;
  const last = channels.at(-1) ?? 0;
  const middle = (name: string): Shape[] => [
    ...resnet(`${name}.resnets.0`, last, last, undefined),
    ...norm(`${name}.attentions.0.group_norm`, last),
    ...['to_q', 'to_k', 'to_v', 'to_out.0'].flatMap((part) => linear(`${name}.attentions.0.${part}`, last, last)),
    ...resnet(`${name}.resnets.1`, last, last, undefined),
  ];
  const down = channels.flatMap((out, i) => [
    ...Array.from({ length: layers }, (_, j) =>
      resnet(`encoder.down_blocks.${i}.resnets.${j}`, j === 0 ? (channels[i - 1] ?? first) : out, out, undefined),
    ).flat(),
    ...(i < channels.length - 1 ? conv(`encoder.down_blocks.${i}.downsamplers.0.conv`, out, out) : []),
  ]);
  const reversed = channels.toReversed();
  const up = reversed.flatMap((out, i) => [
    ...Array.from({ length: layers + 1 }, (_, j) =>
      resnet(`decoder.up_blocks.${i}.resnets.${j}`, j === 0 ? (reversed[i - 1] ?? last) : out, out, undefined),
    ).flat(),
    ...(i < channels.length - 1 ? conv(`decoder.up_blocks.${i}.upsamplers.0.conv`, out, out) : []),
  ]);
  return [
    ...conv('encoder.conv_in', 3, first),
    ...down,
    ...middle('encoder.mid_block'),
    ...norm('encoder.conv_norm_out', last),
    ...conv('encoder.conv_out', last, 8),
    ...conv('quant_conv', 8, 8, 1),
    ...conv('post_quant_conv', 4, 4, 1),
    ...conv('decoder.conv_in', 4, last),
    ...middle('decoder.mid_block'),
    ...up,
    ...norm('decoder.conv_norm_out', first),
    ...conv('decoder.conv_out', first, 3),
  ];
}

/** The UNet's weights, named as diffusers names them. */
export function unetShapes(config: UnetShapeConfig): Shape[] {
  const { block_out_channels: channels, layers_per_block: layers, cross_attention_dim: context } = config;
  const [first = 0] = channels;
  const last = channels.at(-1) ?? 0;
  const added = config.projection_class_embeddings_input_dim;
  const time = first * 4;
  const depth = config.transformer_layers_per_block ?? 1;
  const transformer = (name: string, width: number, level: number): Shape[] => {
    const project = (part: string) =>
      config.use_linear_projection ? linear(`${name}.${part}`, width, width) : conv(`${name}.${part}`, width, width, 1);
    const block = (i: number): Shape[] => transformerBlock(`${name}.transformer_blocks.${i}`, width, context);
    const blocks = Array.from({ length: typeof depth === 'number' ? depth : (depth[level] ?? 1) }, (_, i) => block(i));
    return [...norm(`${name}.norm`, width), ...project('proj_in'), ...blocks.flat(), ...project('proj_out')];
  };
  const skips = [first];
  const down = channels.flatMap((out, i) => {
    const name = `down_blocks.${i}`;
    const layersHere = Array.from({ length: layers }, (_, j) => {
      skips.push(out);
      const attention = config.down_block_types[i]?.startsWith('CrossAttn') ? transformer(`${name}.attentions.${j}`, out, i) : [];
      return [...resnet(`${name}.resnets.${j}`, j === 0 ? (channels[i - 1] ?? first) : out, out, time), ...attention];
    }).flat();
    if (i === channels.length - 1) return layersHere;
    skips.push(out);
    return [...layersHere, ...conv(`${name}.downsamplers.0.conv`, out, out)];
  });
  const reversed = channels.toReversed();
  const up = reversed.flatMap((out, i) => {
    const name = `up_blocks.${i}`;
    const layersHere = Array.from({ length: layers + 1 }, (_, j) => {
      const from = (j === 0 ? (reversed[i - 1] ?? last) : out) + (skips.pop() ?? 0);
      const level = channels.length - 1 - i;
      const attention = config.up_block_types[i]?.startsWith('CrossAttn')
        ? transformer(`${name}.attentions.${j}`, out, level)
        : [];
      return [...resnet(`${name}.resnets.${j}`, from, out, time), ...attention];
    }).flat();
    return i === channels.length - 1 ? layersHere : [...layersHere, ...conv(`${name}.upsamplers.0.conv`, out, out)];
  });
  return [
    ...conv('conv_in', 4, first),
    ...linear('time_embedding.linear_1', first, time),
    ...linear('time_embedding.linear_2', time, time),
    ...(config.time_cond_proj_dim ? linear('time_embedding.cond_proj', config.time_cond_proj_dim, first, false) : []),
    ...(added ? [...linear('add_embedding.linear_1', added, time), ...linear('add_embedding.linear_2', time, time)] : []),
    ...down,
    ...resnet('mid_block.resnets.0', last, last, time),
    ...transformer('mid_block.attentions.0', last, channels.length - 1),
    ...resnet('mid_block.resnets.1', last, last, time),
    ...up,
    ...norm('conv_norm_out', first),
    ...conv('conv_out', first, 4),
  ];
}

/** A block of a transformer that attends to itself, then to `context` features. */
function transformerBlock(name: string, width: number, context: number): Shape[] {
  const attend = (part: string, from: number): Shape[] => [
    ...linear(`${name}.${part}.to_q`, width, width, false),
    ...linear(`${name}.${part}.to_k`, from, width, false),
    ...linear(`${name}.${part}.to_v`, from, width, false),
    ...linear(`${name}.${part}.to_out.0`, width, width),
  ];
  return [
    ...[1, 2, 3].flatMap((i) => norm(`${name}.norm${i}`, width)),
    ...attend('attn1', width),
    ...attend('attn2', context),
    ...linear(`${name}.ff.net.0.proj`, width, width * 8),
    ...linear(`${name}.ff.net.2`, width * 4, width),
  ];
}

/** The text encoder's weights, named as transformers names them below `text_model.`; its `text_projection` lies beside that. */
export function textShapes(vocabulary: number, config: TextShapeConfig): Shape[] {
  const { hidden_size: width, intermediate_size: wide } = config;
  const layers = Array.from({ length: config.num_hidden_layers }, (_, i) => {
    const name = `encoder.layers.${i}`;
    return [
      ...norm(`${name}.layer_norm1`, width),
      ...['q_proj', 'k_proj', 'v_proj', 'out_proj'].flatMap((part) => linear(`${name}.self_attn.${part}`, width, width)),
      ...norm(`${name}.layer_norm2`, width),
      ...linear(`${name}.mlp.fc1`, width, wide),
      ...linear(`${name}.mlp.fc2`, wide, width),
    ];
  }).flat();
  return [
    ['embeddings.token_embedding.weight', [vocabulary, width]],
    ['embeddings.position_embedding.weight', [config.max_position_embeddings, width]],
    ...layers,
    ...norm('final_layer_norm', width),
  ];
}
