import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Parameters, writeSafetensors } from '@loraloom/engine';
import { modelIndex, schedulerConfig, textConfig, unetConfig, vaeConfig } from './architecture.ts';

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, undefined, 2)}\n`);
}

/** Parameters below a prefix as float16, under the names that they have in a diffusers folder. */
async function writeWeights(path: string, { values, layout }: Parameters, prefix: string, stored: string): Promise<void> {
  const own = layout.filter(({ name }) => name.startsWith(prefix));
  const tensors = own.map(
    ({ name, dims, begin, end }) =>
      [stored + name.slice(prefix.length), { dtype: 'F16', shape: dims, data: values.subarray(begin, end) }] as const,
  );
  await writeSafetensors(path, new Map(tensors), { format: 'pt' });
}

/** Writes the autoencoder into a diffusers folder. @param scalingFactor 1 / the deviation of the latents */
export async function writeAutoencoder(folder: string, parameters: Parameters, scalingFactor: number): Promise<void> {
  await mkdir(join(folder, 'vae'), { recursive: true });
  await writeJson(join(folder, 'vae', 'config.json'), { ...vaeConfig, scaling_factor: scalingFactor });
  await writeWeights(join(folder, 'vae', 'diffusion_pytorch_model.safetensors'), parameters, '', '');
}

/** Writes UNet, text encoder, schedule and index into a diffusers folder that has an autoencoder and a tokenizer. */
export async function writeDenoiser(
  folder: string,
  parameters: Parameters,
  vocabulary: { size: number; start: number; end: number },
): Promise<void> {
  for (const part of ['unet', 'text_encoder', 'scheduler']) await mkdir(join(folder, part), { recursive: true });
  await writeJson(join(folder, 'model_index.json'), modelIndex);
  await writeJson(join(folder, 'scheduler', 'scheduler_config.json'), schedulerConfig);
  await writeJson(join(folder, 'unet', 'config.json'), unetConfig);
  const { size, start, end } = vocabulary;
  await writeJson(join(folder, 'text_encoder', 'config.json'), {
    ...textConfig,
    vocab_size: size,
    bos_token_id: start,
    eos_token_id: end,
    pad_token_id: end,
  });
  await writeWeights(join(folder, 'unet', 'diffusion_pytorch_model.safetensors'), parameters, 'unet.', '');
  await writeWeights(join(folder, 'text_encoder', 'model.safetensors'), parameters, 'text_encoder.', 'text_model.');
}
