/*
 * The layers of Stable Diffusion 1.x and 2.x that LoRAs adapt, by their diffusers names behind `unet.` or `text_encoder.`.
 * N stands for a number, so that the table holds for networks of any depth.
 */
const attentions = ['down_blocks.N.attentions.N', 'mid_block.attentions.N', 'up_blocks.N.attentions.N'];
const projections = ['to_q', 'to_k', 'to_v', 'to_out.0'];
const transformer = [
  ...projections.map((name) => `attn1.${name}`),
  ...projections.map((name) => `attn2.${name}`),
  'ff.net.0.proj',
  'ff.net.2',
];
const encoder = ['q_proj', 'k_proj', 'v_proj', 'out_proj'].map((name) => `self_attn.${name}`).concat('mlp.fc1', 'mlp.fc2');

const templates = [
  ...attentions.flatMap((attention) =>
    ['proj_in', 'proj_out', ...transformer.map((name) => `transformer_blocks.N.${name}`)].map(
      (name) => `unet.${attention}.${name}`,
    ),
  ),
  ...encoder.map((name) => `text_encoder.text_model.encoder.layers.N.${name}`),
];

const underscored = (name: string) => name.replaceAll('.', '_');
const templateOf = new Map(templates.map((template) => [underscored(template), template]));

/**
 * The module whose name became `name` when its dots were replaced by underscores, which a name such as `to_out_0` does
 * not tell by itself; undefined if no such layer is adapted.
 */
export function moduleOfUnderscored(name: string): string | undefined {
  const numbers: string[] = [];
  const key = name.replace(/(blocks|attentions|layers)_(\d+)(?=_)/g, (_, kind: string, number: string) => {
    numbers.push(number);
    return `${kind}_N`;
  });
  return templateOf.get(key)?.replace(/\bN\b/g, () => numbers.shift() ?? '');
}

/** Whether a LoRA may adapt a layer of this name. */
export const isModule = (name: string): boolean => moduleOfUnderscored(underscored(name)) === name;
