import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Pipeline } from '@loraloom/engine';
import { settleTraining } from '@loraloom/jobs';
import type { TrainingFile } from '@loraloom/jobs/training-file';
import { openBase } from './base.ts';
import { UserError } from './error.ts';
import { type CaptionedFile, readPictures } from './pictures.ts';
import { readSettings } from './settings.ts';

/** A training of this machine's files, with the defaults filled in. */
export interface LocalTraining {
  request: ReturnType<typeof settle>;
  /** Name of kohya's file. */
  name: string;
  outputFolder: string;
  /** The base model, as the settings name it. */
  base: string;
  pipeline: Pipeline;
  /** Settings that have no meaning here. */
  ignored: string[];
}

/** Reads a settings file and what it names. @throws UserError, RequestError, InputError */
export async function openTraining(path: string): Promise<LocalTraining> {
  const { file, ignored } = await readSettings(path);
  const { caption_extension: captionExtension, metadata_path: metadataPath } = file;
  const files = await readPictures(file.train_data_dir, { metadataPath, captionExtension });
  const prior_files = file.reg_data_dir === undefined ? [] : await readPictures(file.reg_data_dir, { captionExtension });
  const sample_prompts = (await Promise.all(file.sample_prompts.map(promptsOf))).flat();
  const pipeline = await openBase(file.base_model);
  const { output_dir: outputFolder, output_name: name = basename(outputFolder) } = file;
  return {
    request: settle({ ...file, sample_prompts }, files, prior_files, pipeline),
    name,
    outputFolder,
    base: file.base_model,
    pipeline,
    ignored,
  };
}

function settle(file: TrainingFile, files: CaptionedFile[], prior_files: CaptionedFile[], { resolution }: Pipeline) {
  // Drawn from the settings, so that the same file trains the same LoRA, also when it goes on after a crash.
  const seed = createHash('sha256').update(JSON.stringify(file)).digest().readUInt32LE();
  return settleTraining({ ...file, files, prior_files }, { resolution, seed });
}

/** A prompt; or those of a text file, one a line, as kohya's trainer has them: without its comments and options. */
export async function promptsOf(prompt: string): Promise<string[]> {
  if (!prompt.endsWith('.txt')) return [prompt];
  const text = await readFile(prompt, 'utf8').catch((cause) => {
    throw new UserError(`sample_prompts ${resolve(prompt)}: cannot be read (${cause.code})`, { cause });
  });
  return text
    .split(/\r?\n/)
    .filter((line) => !line.startsWith('#'))
    .map((line) => line.replace(/\s--[a-z]\s.*$/, '').trim())
    .filter((line) => line !== '');
}
