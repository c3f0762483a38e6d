import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { decodePicture, encodePng, openBatch, readLora, writeDiffusers, writeKohya } from '@loraloom/engine';
import { type Captioned, metadataOf, runTraining, type TrainerStep, trainingOf } from '@loraloom/trainer';
import { UserError } from './error.ts';
import type { CaptionedFile } from './pictures.ts';
import { replaceFile } from './replace-file.ts';
import type { LocalTraining } from './training.ts';
import { openValidation } from './validation.ts';

/** What a training has written. */
export interface Written {
  files: string[];
  /** Which checkpoint does best on the pictures that were not trained on, if there are any. */
  best?: { step: number; loss: number };
}

/**
 * Trains a LoRA on this machine: `<name>.safetensors` as kohya's trainer names things, pytorch_lora_weights.safetensors as diffusers
 * does, every `save_steps` a checkpoint to go on from beside a LoRA as it then was, and sample pictures. When `signal` aborts, a
 * checkpoint is written before the error goes on.
 * @param resume goes on from the checkpoint that is there, if one is; without it, that there is one is an error
 */
export async function* train(
  local: LocalTraining,
  { resume, signal }: { resume: boolean; signal: AbortSignal },
): AsyncGenerator<TrainerStep, Written> {
  const { request, name, outputFolder: folder, pipeline } = local;
  const checkpoint = join(folder, 'checkpoint.safetensors');
  await mkdir(request.sample_prompts.length > 0 ? join(folder, 'samples') : folder, { recursive: true });
  const kept = existsSync(checkpoint) ? new Uint8Array(await readFile(checkpoint)) : undefined;
  if (kept && !resume)
    throw new UserError(`${checkpoint}: an unfinished training; --resume to go on with it, or remove it to begin anew`);
  const training = trainingOf(request, {
    files: picturesOf(request.files),
    prior: picturesOf(request.prior_files),
    start: request.network_weights === undefined ? undefined : await readLora(request.network_weights),
    resume: kept,
  });
  const about = {
    name,
    model: request.base_model,
    modelDigest: await pipeline.digest(),
    captions: request.files.map(({ caption }) => caption),
    priorPictures: request.prior_files.length,
  };
  const sampling = { ...how, batch: openBatch(pipeline, Math.max(1, request.sample_prompts.length)) };
  let validation: Awaited<ReturnType<typeof openValidation>> | undefined;
  let latest: TrainerStep | undefined;
  const save = async ({ checkpoint: bytes }: TrainerStep) => replaceFile(checkpoint, bytes());
  try {
    const run = runTraining(pipeline, request, training, sampling, signal);
    let next = await run.next();
    for (; !next.done; next = await run.next()) {
      latest = next.value;
      const { step, steps, saved, samples = [] } = latest;
      for (const [i, { picture }] of samples.entries())
        await replaceFile(join(folder, 'samples', `step${padded(step)}-${i}.png`), await encodePng(picture));
      if (saved) {
        validation ??= await openValidation(folder, kept ? step - 1 : 0);
        if (saved.validationLoss !== null) await validation.add(step, saved.validationLoss);
        if (step < steps) {
          const path = join(folder, `${name}-step${padded(step)}.safetensors`);
          await writeKohya(path, saved.lora, metadataOf(request, { ...about, step }, pipeline));
          // Last: what a training that goes on from here would not write again is there by then.
          await save(latest);
        }
      }
      yield latest;
    }
    const [diffusers, kohya] = [join(folder, 'pytorch_lora_weights.safetensors'), join(folder, `${name}.safetensors`)];
    await writeDiffusers(diffusers, next.value);
    await writeKohya(kohya, next.value, metadataOf(request, about, pipeline));
    await rm(checkpoint, { force: true });
    const best = validation?.best();
    return { files: [diffusers, kohya], ...(best ? { best } : {}) };
  } catch (error) {
    if (signal.aborted && latest) await save(latest);
    throw error;
  }
}

/** How sample pictures are made. */
const how = { steps: 20, guidanceScale: 5, sampler: 'ddim' } as const;

const padded = (step: number) => `${step}`.padStart(8, '0');

const picturesOf = (files: readonly CaptionedFile[]): Captioned[] =>
  files.map(({ path, caption }) => ({
    read: async () => decodePicture(new Uint8Array(await readFile(path))),
    caption,
  }));
