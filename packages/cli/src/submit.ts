import { mkdir, readFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { type Loraloom, LoraloomError, type TrainingRecord, type TrainingRequestInput } from '@loraloom/client';
import { trainingRequestSchema } from '@loraloom/jobs';
import type { TrainingFile } from '@loraloom/jobs/training-file';
import { UserError } from './error.ts';
import { type CaptionedFile, readPictures } from './pictures.ts';
import { replaceFile } from './replace-file.ts';
import { promptsOf } from './training.ts';

const contentTypes = { '.png': 'image/png', '.jpg': 'image/jpeg', '.jpeg': 'image/jpeg', '.webp': 'image/webp' } as const;
const isKnown = (ending: string): ending is keyof typeof contentTypes => Object.hasOwn(contentTypes, ending);

/** How many pictures are uploaded at a time. */
const uploads = 4;

/**
 * Trains what a settings file says on a server: uploads its pictures, yields the training's record whenever that has changed, and
 * writes the LoRA into `output_dir`. Its `base_model` is the name of one of the server's models.
 * @throws UserError if it failed, or the settings ask for what only this machine can do; LoraloomError
 */
export async function* submit(api: Loraloom, file: TrainingFile): AsyncGenerator<TrainingRecord, string> {
  if (file.network_weights !== undefined)
    throw new UserError('network_weights: a server cannot read it; take it out, or train on this machine');
  const { caption_extension: captionExtension, metadata_path: metadataPath } = file;
  const pictures = await readPictures(file.train_data_dir, { metadataPath, captionExtension });
  const priors = file.reg_data_dir === undefined ? [] : await readPictures(file.reg_data_dir, { captionExtension });
  const name = nameOf(file.output_name ?? basename(file.output_dir));
  const options = Object.entries(file).filter(([key]) => Object.hasOwn(trainingRequestSchema.shape, key));
  const request: TrainingRequestInput = trainingRequestSchema.parse({
    ...Object.fromEntries(options),
    sample_prompts: (await Promise.all(file.sample_prompts.map(promptsOf))).flat(),
    model: file.base_model,
    name,
    files: await uploadAll(api, pictures),
    prior_files: await uploadAll(api, priors),
  });
  let job = await api.createTraining(request);
  for await (job of api.wait(job)) yield job;
  if (job.status !== 'succeeded') throw new UserError(`the training ${job.status}${job.error ? `: ${job.error.message}` : ''}`);
  const answer = await fetch((await api.getLora(name)).url);
  if (!answer.ok)
    throw new LoraloomError(answer.status, 'unexpected_answer', `the LoRA could not be downloaded: ${answer.statusText}`);
  await mkdir(file.output_dir, { recursive: true });
  const path = join(file.output_dir, `${name}.safetensors`);
  await replaceFile(path, new Uint8Array(await answer.arrayBuffer()));
  return path;
}

async function uploadAll(api: Loraloom, pictures: readonly CaptionedFile[]) {
  const uploaded: { file_id: string; caption: string }[] = [];
  const left = [...pictures.entries()];
  const uploader = async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      const [i, { path, name, caption }] = next;
      const ending = extname(name).toLowerCase();
      if (!isKnown(ending)) throw new UserError(`${path}: save it as JPEG, PNG or WebP, or leave it out`);
      const { id } = await api.uploadFile(new Uint8Array(await readFile(path)), { name, contentType: contentTypes[ending] });
      uploaded[i] = { file_id: id, caption };
    }
  };
  await Promise.all(Array.from({ length: uploads }, uploader));
  return uploaded;
}

/** A name as the API has them: `My Style` is `my-style`. */
const nameOf = (text: string) =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+|-+$/g, '')
    .slice(0, 63) || 'lora';
