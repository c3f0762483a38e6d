import { z } from 'zod';
import type { Model } from './model.ts';
import type { TrainingRequest } from './training-request.ts';

/** What a training is going to take. */
export const estimateSchema = z
  .object({
    steps: z.int().positive(),
    memory_bytes: z
      .int()
      .positive()
      .meta({ description: 'Most memory at a time, about: of the GPU, or of the process on a CPU' }),
    cpu_seconds: z
      .number()
      .positive()
      .meta({ description: 'About how long it takes on two CPU cores; a GPU takes a small part of that' }),
  })
  .meta({ id: 'TrainingEstimate' });
export type Estimate = z.infer<typeof estimateSchema>;

/** The size of a base model. */
export interface Size {
  /** Weights of its UNet. */
  parameters: number;
  /** Pixels a side for one latent. */
  latentFactor: number;
}

/** Fitted to the measurements in docs/training.md, of a UNet with 4.4 and one with 860 million parameters. */
const fit = {
  processBytes: 320e6,
  bytesPerParameter: 13,
  bytesPerLatent: 47,
  secondsPerPicture: 0.04,
  secondsPerParameterAndLatent: 4.4e-12,
};

/** How much memory and time a training takes, from the number of the model's weights and the pixels of a step. */
export function estimateTraining(
  request: Pick<TrainingRequest, 'steps' | 'resolution' | 'batch_size' | 'gradient_accumulation_steps'>,
  { parameters, latentFactor }: Size,
): Estimate {
  const { steps, resolution, batch_size, gradient_accumulation_steps } = request;
  const latents = (resolution / latentFactor) ** 2;
  const memory =
    fit.processBytes + fit.bytesPerParameter * parameters + fit.bytesPerLatent * Math.sqrt(parameters) * latents * batch_size;
  const perPicture = fit.secondsPerPicture + fit.secondsPerParameterAndLatent * parameters * latents;
  return {
    steps,
    memory_bytes: Math.round(memory),
    cpu_seconds: Math.max(1, Math.round(steps * batch_size * gradient_accumulation_steps * perPicture)),
  };
}

/** Weights of the UNets that are known by their families' names. */
const known: Record<string, number> = { sd1: 859_520_964, sd2: 865_910_724, sdxl: 2_567_463_684 };

/** How many weights a model's UNet has, by the size of its files. */
export function parametersOf({ family, files }: Model): number {
  const bytes = files
    .filter(({ path }) => /^unet\/.*\.safetensors$/.test(path))
    .reduce((sum, { size_bytes }) => sum + size_bytes, 0);
  const usual = known[family];
  // A folder without a UNet of its own is one file of everything; half precision takes two bytes for each weight, not four.
  const isUsual = usual && [2, 4].some((width) => Math.abs(bytes / (width * usual) - 1) < 0.05);
  return usual && (bytes === 0 || isUsual) ? usual : Math.max(1, Math.round(bytes / 4));
}
