import { createHash } from 'node:crypto';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { type Batch, openBatch, openPipeline, type Pipeline, resultOf } from '@loraloom/engine';
import { keys, type Model, readModel } from '@loraloom/jobs';
import { download } from './download.ts';
import { Failure } from './failure.ts';
import type { Services } from './services.ts';

type Needs = Pick<Services, 'bucket' | 'modelsFolder' | 'provider' | 'slots' | 'metrics' | 'log'>;

/** Opens base models by name and keeps them open. */
export interface Models {
  /** @throws Failure `unknown_model` */
  open(name: string): Promise<{ model: Model } & OpenModel>;
  close(): Promise<void>;
}

/** A base model with the one batch in which all pictures over it are made. */
interface OpenModel {
  pipeline: Pipeline;
  batch: Batch;
  digest: string;
}

/** Models of the bucket, downloaded once to this machine's disk into a folder named by their content. */
export function bucketModels(services: Needs): Models {
  const { bucket } = services;
  const opened = new Map<string, Promise<OpenModel>>();
  return {
    async open(name) {
      const model = await readModel(bucket, name);
      if (!model)
        throw new Failure('unknown_model', `there is no base model ${name}; GET /v1/models lists those there are`, 'model');
      const content = createHash('sha256').update(JSON.stringify(model.files)).digest('hex').slice(0, 32);
      services.metrics?.lookup('models', opened.has(content));
      const opening = opened.get(content) ?? openModel(services, model, content);
      opened.set(content, opening);
      // A failed download is tried anew by the next job.
      opening.catch(() => opened.delete(content));
      return { model, ...(await opening) };
    },
    async close() {
      await Promise.all([...opened.values()].map(async (opening) => (await opening).pipeline.close()));
    },
  };
}

/** Says how long each part took, since this is most of what a first picture waits for. */
async function openModel(services: Needs, model: Model, content: string): Promise<OpenModel> {
  const { provider, slots, log } = services;
  const begun = performance.now();
  const folder = await modelFolder(services, model, content);
  const there = performance.now();
  const pipeline = await openPipeline(folder, { provider });
  const batch = openBatch(pipeline, slots);
  // On a GPU the first picture loads kernels, and chooses among cuDNN's; without one it would only cost a picture.
  const warm = provider === 'cpu' ? undefined : warmUp(batch, model);
  const [digest] = await Promise.all([keptDigest(`${folder}.sha256`, pipeline), warm]);
  const seconds = (from: number, to: number) => Math.round((to - from) / 100) / 10;
  const times = { fetch_seconds: seconds(begun, there), open_seconds: seconds(there, performance.now()) };
  log({ level: 'info', message: 'model opened', model: model.name, ...times });
  return { pipeline, batch, digest };
}

/** Makes a picture of one step, of the size that the model was trained at, for nobody. */
export async function warmUp(
  batch: Batch,
  { resolution, default_sampler: sampler }: Pick<Model, 'resolution' | 'default_sampler'>,
) {
  const size = { width: resolution, height: resolution };
  await resultOf(
    batch.generate({ prompt: '', negativePrompt: '', seed: 0, loras: [], ...size, steps: 1, guidanceScale: 2, sampler }),
  );
}

/** The digest of a model's weights, gigabytes to read, kept beside its folder: what is in there never changes. */
async function keptDigest(path: string, pipeline: Pipeline): Promise<string> {
  const kept = await readFile(path, 'utf8').catch(() => '');
  if (/^[0-9a-f]{64}$/.test(kept)) return kept;
  const digest = await pipeline.digest();
  await writeFile(path, digest);
  return digest;
}

/** The folder of a model on this disk, made whole before it gets its name. */
async function modelFolder({ bucket, modelsFolder }: Needs, model: Model, content: string): Promise<string> {
  const folder = join(modelsFolder, content);
  if (await stat(folder).catch(() => undefined)) return folder;
  const temporary = `${folder}.${process.pid}.${Date.now()}`;
  try {
    const files = model.files.map(({ path, size_bytes: sizeBytes, sha256 }) => {
      const target = resolve(temporary, path);
      if (!target.startsWith(resolve(temporary) + sep)) throw new Error(`model ${model.name}: ${path} leaves the model's folder`);
      return { key: keys.modelFile(model.name, path), target, sizeBytes, sha256 };
    });
    await download(bucket, files);
    await rename(temporary, folder);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    // Another process may have been quicker.
    if (!(await stat(folder).catch(() => undefined))) throw error;
  }
  return folder;
}
