import { createHash } from 'node:crypto';
import { rename, rm, stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { type Batch, openBatch, openPipeline, type Pipeline } from '@loraloom/engine';
import { keys, type Model, readModel } from '@loraloom/jobs';
import { download } from './download.ts';
import { Failure } from './failure.ts';
import type { Services } from './services.ts';

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
export function bucketModels({
  bucket,
  modelsFolder,
  provider,
  slots,
}: Pick<Services, 'bucket' | 'modelsFolder' | 'provider' | 'slots'>): Models {
  const opened = new Map<string, Promise<OpenModel>>();
  return {
    async open(name) {
      const model = await readModel(bucket, name);
      if (!model)
        throw new Failure('unknown_model', `there is no base model ${name}; GET /v1/models lists those there are`, 'model');
      const content = createHash('sha256').update(JSON.stringify(model.files)).digest('hex').slice(0, 32);
      const opening =
        opened.get(content) ??
        (async () => {
          const folder = await modelFolder({ bucket, modelsFolder }, model, content);
          const pipeline = await openPipeline(folder, { provider });
          return { pipeline, batch: openBatch(pipeline, slots), digest: await pipeline.digest() };
        })();
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

/** The folder of a model on this disk, made whole before it gets its name. */
async function modelFolder(
  { bucket, modelsFolder }: Pick<Services, 'bucket' | 'modelsFolder'>,
  model: Model,
  content: string,
): Promise<string> {
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
