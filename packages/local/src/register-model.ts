import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bucket, keys, type Model, putRecord, readModel } from '@loraloom/jobs';

/** A base model's record, but for the files, which are read from its folder. */
export type ModelDescription = Omit<Model, 'object' | 'files'>;

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
  const model: Model = { ...description, object: 'model', files };
  if (JSON.stringify(await readModel(bucket, model.name)) === JSON.stringify(model)) return;
  for (const { path, bytes } of contents) await bucket.put(keys.modelFile(model.name, path), bytes);
  // Last, since it is what makes the model exist.
  await putRecord(bucket, keys.model(model.name), model);
}
