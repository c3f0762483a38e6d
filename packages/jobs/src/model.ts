import { z } from 'zod';
import type { Bucket } from './bucket/port.ts';
import { sha256Hex } from './digest.ts';
import { samplerSchema } from './image.ts';
import { keys, nameSchema } from './keys.ts';
import { listFolders, readRecord } from './record.ts';

/** A base model that jobs may name; its diffusers folder lies beside this record. */
export const modelSchema = z
  .object({
    name: nameSchema,
    object: z.literal('model'),
    family: z.string().meta({ example: 'sd1' }),
    resolution: z.int().positive().meta({ description: 'Pixels a side that the model was trained at' }),
    latent_factor: z.int().positive().meta({ description: 'Pixels a side for one latent' }),
    default_steps: z.int().positive(),
    default_guidance_scale: z.number(),
    default_sampler: samplerSchema,
    files: z.array(z.object({ path: z.string(), size_bytes: z.int().nonnegative(), sha256: z.string() })),
    license: z.string(),
    description: z.string(),
  })
  .meta({ id: 'Model' });
export type Model = z.infer<typeof modelSchema>;

export async function readModel(bucket: Bucket, name: string): Promise<Model | undefined> {
  return (await readRecord(bucket, keys.model(name), modelSchema))?.record;
}

/** What a base is, whatever its name: the SHA-256 of what `sha256sum` prints for its files, in the order of their paths. */
export function modelDigest({ files }: Pick<Model, 'files'>): Promise<string> {
  const lines = files.map(({ path, sha256 }) => ({ path, line: `${sha256}  ${path}\n` }));
  const sorted = lines.sort((a, b) => (a.path < b.path ? -1 : 1));
  return sha256Hex(new TextEncoder().encode(sorted.map(({ line }) => line).join('')));
}

/** All base models, by name. */
export async function listModels(bucket: Bucket): Promise<Model[]> {
  const { names } = await listFolders(bucket, keys.models(), { limit: 1000 });
  const found = await Promise.all(names.map((name) => readModel(bucket, name)));
  return found.filter((model) => model !== undefined);
}
