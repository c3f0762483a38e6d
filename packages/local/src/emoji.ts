import { baseFolder } from '@loraloom/emoji-base';

/** The base that ships with the repository, as the local stack registers it. */
export const emoji = {
  folder: baseFolder,
  name: 'emoji',
  family: 'sd1',
  resolution: 128,
  latent_factor: 8,
  default_steps: 20,
  default_guidance_scale: 2,
  default_sampler: 'ddim',
  license: 'Apache-2.0 AND MIT',
  description: 'A small Stable Diffusion of emojis on coloured backgrounds, 128 × 128: "red apple, blue background"',
} as const;
