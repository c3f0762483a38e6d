import { type Base, bases } from '@loraloom/lora-files';
import type { UnetConfig } from '../models/unet.ts';

/** What distinguishes a family of models, so that nothing outside this folder has to ask which one it is. */
export interface Family {
  name: Base;
  /** How LoRA files name the base: kohya's `ss_base_model_version`. */
  baseModelVersion: string;
  /** The text encoders, in the order in which their features are joined. */
  towers: readonly [Tower, ...Tower[]];
  /** Whether its pipelines may take an empty negative prompt for no text at all. */
  silence: boolean;
}

/** A text encoder's part in a family. */
export interface Tower {
  /** Its folder, by which LoRA files name it too. */
  name: 'text_encoder' | 'text_encoder_2';
  tokenizer: 'tokenizer' | 'tokenizer_2';
  /** Which hidden states are the context: those after the last layer and the final norm, or those before the last layer. */
  context: 'last' | 'penultimate';
  /** Whether the projected features of the text's end are used as well. */
  pooled: boolean;
}

/** The names of a tower's inputs: its token ids, and which of them ends the text. */
export const tokenNames = ({ name }: Pick<Tower, 'name'>) => {
  const suffix = name.replace('text_encoder', '');
  return { ids: `ids${suffix}`, end: `end${suffix}` };
};

const tower: Tower = { name: 'text_encoder', tokenizer: 'tokenizer', context: 'last', pooled: false };

const sd1: Family = {
  name: 'sd1',
  baseModelVersion: bases.sd1.version,
  towers: [tower],
  silence: false,
};
const sd2: Family = {
  name: 'sd2',
  baseModelVersion: bases.sd2.version,
  towers: [tower],
  silence: false,
};
const sdxl: Family = {
  name: 'sdxl',
  baseModelVersion: bases.sdxl.version,
  towers: [
    { ...tower, context: 'penultimate' },
    { name: 'text_encoder_2', tokenizer: 'tokenizer_2', context: 'penultimate', pooled: true },
  ],
  silence: true,
};

/** Stable Diffusion XL adds the picture's size to its time; 2 made its transformers' projections linear, else 1 and 2 are one network. */
export function familyOf({ use_linear_projection, addition_embed_type }: UnetConfig): Family {
  if (addition_embed_type === 'text_time') return sdxl;
  return use_linear_projection ? sd2 : sd1;
}

/** Which layers a LoRA adapts, by their names in the checkpoint: kohya's and diffusers' usual sets. */
export const targets = {
  unet: /(?:^|\.)attentions\.\d+\.(?:proj_in|proj_out|transformer_blocks\.\d+\.(?:attn[12]\.to_(?:q|k|v|out\.0)|ff\.net\.(?:0\.proj|2)))$/,
  /** What trainers add with `conv_dim` (LoCon), and the few layers that some add by hand. */
  unetConvolutions:
    /(?:^|\.)(?:resnets\.\d+\.(?:conv1|conv2|conv_shortcut|time_emb_proj)|(?:down|up)samplers\.0\.conv|conv_in|conv_out|(?:time|add)_embedding\.linear_[12])$/,
  unetAttention: /\.attn[12]\.to_(?:q|k|v|out\.0)$/,
  text: /(?:^|\.)encoder\.layers\.\d+\.(?:self_attn\.(?:q|k|v|out)_proj|mlp\.fc[12])$/,
  textAttention: /\.self_attn\.(?:q|k|v|out)_proj$/,
};
