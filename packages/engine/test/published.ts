/* The sizes of the published models, as their config.json say them. */

const blocks = (attends: readonly boolean[]) => ({
  down_block_types: attends.map((yes) => (yes ? 'CrossAttnDownBlock2D' : 'DownBlock2D')),
  up_block_types: attends.toReversed().map((yes) => (yes ? 'CrossAttnUpBlock2D' : 'UpBlock2D')),
});
const common = { in_channels: 4, layers_per_block: 2, norm_num_groups: 32 };
const sd = { ...common, ...blocks([true, true, true, false]), block_out_channels: [320, 640, 1280, 1280] };
/** UNets' configurations. */
export const unets = {
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
/** Text encoders' configurations, in each family's order. */
export const encoders = { sd1: [large] as const, sd2: [clip(1024, 23, 16, 'gelu')], sdxl: [large, clip(1280, 32, 20, 'gelu')] };
