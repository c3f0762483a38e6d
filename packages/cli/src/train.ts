import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { decodePicture, encodePng, openBatch, readLora } from '@loraloom/engine';
import {
  type Captioned,
  encodeDiffusersLora,
  encodeLora,
  metadataOf,
  runTraining,
  type TrainerStep,
  trainingOf,
} from '@loraloom/trainer';
import { UserError } from './error.ts';
import type { CaptionedFile } from './pictures.ts';
import { replaceFile } from './replace-file.ts';
import type { LocalTraining } from './training.ts';
import { openValidation } from './validation.ts';

/** What a training has written. */
export interface Written {
  files: string[];
  /** Which checkpoint does best on the pictures that were not trained on, if there are any. */
  best?: { step: number; validation_loss: number };
}

/** How sample pictures are made. */
const sampling = { steps: 20, guidanceScale: 5, sampler: 'ddim' } as const;

/**
 * Trains a LoRA on this machine: `<name>.safetensors` as kohya's trainer names things, pytorch_lora_weights.safetensors as diffusers
 * does, every `save_steps` a checkpoint to go on from beside a LoRA as it then was, and sample pictures. When `signal` aborts, a
 * checkpoint is written before the error goes on.
 * @param resume goes on from the checkpoint that is there, if one is; without it, that there is one is an error
 */
export async function* train(
  { request, name, base, outputFolder: folder, pipeline }: LocalTraining,
  { resume, signal }: { resume: boolean; signal: AbortSignal },
): AsyncGenerator<TrainerStep, Written> {
  const checkpoint = join(folder, 'checkpoint.safetensors');
  await mkdir(join(folder, ...(request.sample_prompts.length > 0 ? ['samples'] : [])), { recursive: true });
  const kept = existsSync(checkpoint) ? new Uint8Array(await readFile(checkpoint)) : undefined;
  if (kept && !resume)
    throw new UserError(`${checkpoint}: an unfinished training; --resume to go on with it, or remove it to begin anew`);
  const { files, prior_files: prior, network_weights: weights } = request;
  const training = trainingOf(request, {
    files: files.map(captioned),
    prior: prior.map(captioned),
    ...(weights === undefined ? {} : { start: await readLora(weights) }),
    ...(kept ? { resume: kept } : {}),
  });
  const about = { name, model: base, modelDigest: await pipeline.digest(), files, priorPictures: prior.length };
  const run = runTraining(pipeline, request, training, { ...sampling, batch: openBatch(pipeline, 4) }, signal);
  let validation: Awaited<ReturnType<typeof openValidation>> | undefined;
  let latest: TrainerStep | undefined;
  try {
    let next = await run.next();
    for (; !next.done; next = await run.next()) {
      const { step, steps, saved, samples = [] } = next.value;
      latest = next.value;
      const suffix = `step${`${step}`.padStart(8, '0')}`;
      for (const [i, { picture }] of samples.entries())
        await replaceFile(join(folder, 'samples', `${suffix}-${i}.png`), await encodePng(picture));
      if (saved) {
        validation ??= await openValidation(folder, kept ? step - 1 : 0);
        if (saved.validationLoss !== null) await validation.add(step, saved.validationLoss);
        if (step < steps) {
          const bytes = await encodeLora(saved.lora, metadataOf(request, { ...about, step }, pipeline));
          await replaceFile(join(folder, `${name}-${suffix}.safetensors`), bytes);
          // Last: what a training that goes on from here would not write again is there by then.
          await replaceFile(checkpoint, latest.checkpoint());
        }
      }
      yield next.value;
    }
    const [diffusers, kohya] = [join(folder, 'pytorch_lora_weights.safetensors'), join(folder, `${name}.safetensors`)];
    await replaceFile(diffusers, await encodeDiffusersLora(next.value));
    await replaceFile(kohya, await encodeLora(next.value, metadataOf(request, about, pipeline)));
    await rm(checkpoint, { force: true });
    const best = validation?.best();
    return { files: [diffusers, kohya], ...(best ? { best } : {}) };
  } catch (error) {
    if (signal.aborted && latest) await replaceFile(checkpoint, latest.checkpoint());
    throw error;
  }
}

const captioned = ({ path, caption, repeats }: CaptionedFile): Captioned => ({
  read: async () => decodePicture(new Uint8Array(await readFile(path))),
  caption,
  repeats,
});
