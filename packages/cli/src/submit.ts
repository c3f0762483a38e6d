import { openAsBlob } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type { Loraloom, TrainingPicture, TrainingRecord } from '@loraloom/client';
import { trainingRequestSchema } from '@loraloom/jobs';
import type { TrainingFile } from '@loraloom/jobs/training-file';
import { UserError } from './error.ts';
import { type CaptionedFile, readPictures } from './pictures.ts';
import { replaceFile } from './replace-file.ts';
import { promptsOf } from './training.ts';

const types = new Map([
  ['.png', 'image/png'],
  ['.jpg', 'image/jpeg'],
  ['.jpeg', 'image/jpeg'],
  ['.webp', 'image/webp'],
]);

/**
 * Trains what a settings file says on a server: uploads its pictures, yields the training's record whenever that has changed, and
 * writes the LoRA into `output_dir`, as kohya and as diffusers name things. Its `base_model` is the name of one of the server's models.
 * @throws UserError if it failed, or the settings ask for what only this machine can do; LoraloomError
 */
export async function* submit(api: Loraloom, file: TrainingFile): AsyncGenerator<TrainingRecord, string[]> {
  if (file.network_weights !== undefined)
    throw new UserError('network_weights: a server cannot read it; take it out, or train on this machine');
  const { caption_extension: captionExtension, metadata_path: metadataPath } = file;
  const pictures = await readPictures(file.train_data_dir, { metadataPath, captionExtension });
  const priors = file.reg_data_dir === undefined ? [] : await readPictures(file.reg_data_dir, { captionExtension });
  const name = nameOf(file.output_name ?? basename(file.output_dir));
  const options = Object.entries(file).filter(([key]) => Object.hasOwn(trainingRequestSchema.shape, key));
  const request = trainingRequestSchema.omit({ files: true, prior_files: true }).parse({
    ...Object.fromEntries(options),
    sample_prompts: (await Promise.all(file.sample_prompts.map(promptsOf))).flat(),
    model: file.base_model,
    name,
  });
  const [files, prior_files] = await Promise.all([open(pictures), open(priors)]);
  let job = await api.trainings.create({ ...request, files, prior_files });
  for await (job of api.trainings.follow(job)) yield job;
  if (job.status !== 'succeeded') throw new UserError(`the training ${job.status}${job.error ? `: ${job.error.message}` : ''}`);
  await mkdir(file.output_dir, { recursive: true });
  const { url, diffusers_url } = await api.loras.get(name);
  const written: string[] = [];
  for (const [from, file_name] of [
    [diffusers_url, 'pytorch_lora_weights.safetensors'],
    [url, `${name}.safetensors`],
  ] as const) {
    if (from === null) continue;
    const path = join(file.output_dir, file_name);
    await replaceFile(path, new Uint8Array(await (await api.download(from)).arrayBuffer()));
    written.push(path);
  }
  return written;
}

/** The pictures as the client uploads them; their bytes are read when it is their turn. */
function open(pictures: readonly CaptionedFile[]): Promise<TrainingPicture[]> {
  return Promise.all(
    pictures.map(async ({ path, name, caption, repeats }) => {
      const type = types.get(extname(name).toLowerCase());
      if (!type) throw new UserError(`${path}: save it as JPEG, PNG or WebP, or leave it out`);
      return { picture: await openAsBlob(path, { type }), name: basename(name), caption, repeats };
    }),
  );
}

/** A name as the API has them: `My Style` is `my-style`. */
const nameOf = (text: string) =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+|-+$/g, '')
    .slice(0, 63) || 'lora';
