import { z } from 'zod';

/** What distinguishes a family of models, so that nothing outside this folder has to ask which one it is. */
export interface Family {
  name: 'sd1' | 'sd2';
  /** How LoRA files name the base: kohya's `ss_base_model_version` and ModelSpec's architecture. */
  baseModelVersion: string;
  architecture: string;
}

const sd1: Family = { name: 'sd1', baseModelVersion: 'sd_v1', architecture: 'stable-diffusion-v1/lora' };
const sd2: Family = { name: 'sd2', baseModelVersion: 'sd_v2', architecture: 'stable-diffusion-v2/lora' };

const Signs = z.object({ use_linear_projection: z.boolean().default(false) });

/** Stable Diffusion 2 made its transformers' projections linear; otherwise the two are one network. */
export function familyOf(unetConfig: unknown): Family {
  return Signs.parse(unetConfig).use_linear_projection ? sd2 : sd1;
}

/** Which layers a LoRA adapts, by their names in the checkpoint: kohya's and diffusers' usual sets. */
export const targets = {
  unet: /(?:^|\.)attentions\.\d+\.(?:proj_in|proj_out|transformer_blocks\.\d+\.(?:attn[12]\.to_(?:q|k|v|out\.0)|ff\.net\.(?:0\.proj|2)))$/,
  unetAttention: /\.attn[12]\.to_(?:q|k|v|out\.0)$/,
  text: /(?:^|\.)encoder\.layers\.\d+\.(?:self_attn\.(?:q|k|v|out)_proj|mlp\.fc[12])$/,
  textAttention: /\.self_attn\.(?:q|k|v|out)_proj$/,
};
