import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openPipeline } from '@loraloom/engine';
import { type Bucket, keys, type Model, putRecord, readModel } from '@loraloom/jobs';

/** What a diffusers folder does not say about itself. */
export type ModelDescription = Pick<
  Model,
  'name' | 'default_steps' | 'default_guidance_scale' | 'default_sampler' | 'license' | 'description'
>;

/** Puts a diffusers folder into the bucket as a base model, unless the same files are there already. */
export async function registerModel(bucket: Bucket, folder: string, description: ModelDescription): Promise<void> {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && /\.(json|txt|safetensors)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length).replaceAll('\\', '/').replace(/^\//, ''))
    .toSorted();
  const contents = await Promise.all(
    names.map(async (path) => ({ path, bytes: new Uint8Array(await readFile(join(folder, path))) })),
  );
  const files = contents.map(({ path, bytes }) => ({
    path,
    size_bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  }));
  const pipeline = await openPipeline(folder);
  const { family, resolution, latentFactor } = pipeline;
  await pipeline.close();
  const model: Model = { ...description, object: 'model', family, resolution, latent_factor: latentFactor, files };
  if (JSON.stringify(await readModel(bucket, model.name)) === JSON.stringify(model)) return;
  for (const { path, bytes } of contents) await bucket.put(keys.modelFile(model.name, path), bytes);
  // Last, since it is what makes the model exist.
  await putRecord(bucket, keys.model(model.name), model);
}
