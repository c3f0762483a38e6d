import { fileURLToPath } from 'node:url';
import type { Model } from '@loraloom/jobs';

/** The engine's smallest fixture: random weights, 64 × 64 pixels. */
export const tiny = {
  folder: fileURLToPath(new URL('../../engine/fixtures/sd-tiny/model', import.meta.url)),
  name: 'tiny',
  family: 'sd1',
  resolution: 64,
  latent_factor: 4,
  default_steps: 2,
  default_guidance_scale: 2,
  default_sampler: 'ddim',
  license: 'MIT',
  description: 'random weights',
} as const;

/** A model that is only described: for what never opens one. */
export const described: Model = {
  name: 'emoji',
  object: 'model',
  family: 'sd1',
  resolution: 128,
  latent_factor: 8,
  default_steps: 25,
  default_guidance_scale: 4,
  default_sampler: 'ddim',
  files: [],
  license: 'MIT',
  description: '',
};
