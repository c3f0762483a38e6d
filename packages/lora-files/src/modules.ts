/*
 * The layers of Stable Diffusion 1.x, 2.x and XL that LoRAs adapt, by their diffusers names behind `unet.`, `text_encoder.` or
 * `text_encoder_2.`. N stands for a number, so that the table holds for networks of any depth.
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

/** What kohya's and diffusers' trainers adapt unless told otherwise. */
const usual = [
  ...attentions.flatMap((attention) =>
    ['proj_in', 'proj_out', ...transformer.map((name) => `transformer_blocks.N.${name}`)].map(
      (name) => `unet.${attention}.${name}`,
    ),
  ),
  ...['text_encoder', 'text_encoder_2'].flatMap((network) =>
    encoder.map((name) => `${network}.text_model.encoder.layers.N.${name}`),
  ),
];

/** The UNet's other layers: convolutions, and what takes the time to them. */
const further = [
  'conv_in',
  'conv_out',
  ...['time_embedding', 'add_embedding'].flatMap((name) => [`${name}.linear_1`, `${name}.linear_2`]),
  ...['down_blocks.N', 'mid_block', 'up_blocks.N'].flatMap((block) =>
    ['conv1', 'conv2', 'conv_shortcut', 'time_emb_proj'].map((name) => `${block}.resnets.N.${name}`),
  ),
  'down_blocks.N.downsamplers.N.conv',
  'up_blocks.N.upsamplers.N.conv',
].map((name) => `unet.${name}`);

export const underscored = (name: string) => name.replaceAll('.', '_');

const usualOf = new Map(usual.map((template) => [underscored(template), template]));
const templateOf = new Map([...usualOf, ...further.map((template) => [underscored(template), template] as const)]);

/** A name with N for its numbers, and these numbers. */
function numbered(name: string): [template: string, numbers: string[]] {
  const numbers: string[] = [];
  const template = name.replace(
    /(blocks|attentions|layers|resnets|downsamplers|upsamplers)_(\d+)(?=_)/g,
    (_, kind: string, number: string) => {
      numbers.push(number);
      return `${kind}_N`;
    },
  );
  return [template, numbers];
}

/**
 * The module whose name became `name` when its dots were replaced by underscores, which a name such as `to_out_0` does
 * not tell by itself; undefined if no such layer is adapted.
 */
export function moduleOfUnderscored(name: string): string | undefined {
  const [template, numbers] = numbered(name);
  return templateOf.get(template)?.replace(/\bN\b/g, () => numbers.shift() ?? '');
}

/** Whether a LoRA may adapt a layer of this name. */
export const isModule = (name: string): boolean => moduleOfUnderscored(underscored(name)) === name;

/** Whether a layer is among those that most LoRAs adapt, rather than a convolution or the time's way to it. */
export const isUsual = (module: string): boolean => usualOf.has(numbered(underscored(module))[0]);
