import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeKohya } from '@loraloom/engine';
import { type Bucket, keys, type LoraVersion, publishLora } from '@loraloom/jobs';

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

/** Puts a LoRA named `ink` into the bucket. */
export async function registerInk(bucket: Bucket, tenant: string): Promise<void> {
  const bytes = await inkFile();
  const version: LoraVersion = {
    name: 'ink',
    object: 'lora',
    lora_id: 'lora_7yt09zhw3gq8m5tr1vkd2xcfaj',
    model: tiny.name,
    rank: 1,
    alpha: 1,
    trigger_words: [],
    license: null,
    training_id: null,
    size_bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    diffusers: null,
    created_at: new Date().toISOString(),
  };
  await bucket.put(keys.loraWeights(tenant, version.name, version.lora_id), bytes);
  await publishLora(bucket, tenant, version);
}

async function inkFile(): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'drill-ink-'));
  const numbers = () => new Float32Array(32).fill(0.25);
  const module = { down: numbers(), up: numbers(), rank: 1, alpha: 1, inFeatures: 32, outFeatures: 32 };
  const modules = new Map([['unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q', module]]);
  await writeKohya(join(folder, 'ink.safetensors'), { modules, metadata: {}, digest: '' }, {});
  const bytes = await readFile(join(folder, 'ink.safetensors'));
  await rm(folder, { recursive: true });
  return new Uint8Array(bytes);
}

/** A bucket that forgets the files of models: workers have them on their disks, and a model's record is enough. */
export const withoutModelFiles = (bucket: Bucket): Bucket => ({
  ...bucket,
  put: async (key, ...rest) =>
    key.startsWith(keys.models()) && !key.endsWith('model.json') ? { etag: '' } : bucket.put(key, ...rest),
});
