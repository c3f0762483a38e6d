import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  decodePicture,
  type Example,
  type Lora,
  readLora,
  type Training,
  trainLora,
  writeDiffusers,
  writeKohya,
} from '@loraloom/engine';
import { captionOf, trainingOptions } from '@loraloom/jobs';
import { UserError } from './error.ts';
import type { CaptionedFile } from './pictures.ts';
import { replaceFile } from './replace-file.ts';
import { openSamples } from './samples.ts';
import type { LocalTraining } from './training.ts';
import { openValidation } from './validation.ts';

/** How far a training has come. */
export interface Progress {
  step: number;
  steps: number;
  /** Smoothed: that of one step says more about its timesteps than about the LoRA. */
  loss: number;
  /** Unknown at the first step, before which the pictures were encoded. */
  stepsPerSecond: number | undefined;
}

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
): AsyncGenerator<Progress, Written> {
  const { request, name, outputFolder: folder, pipeline } = local;
  const checkpoint = join(folder, 'checkpoint.safetensors');
  await mkdir(folder, { recursive: true });
  const kept = existsSync(checkpoint) ? new Uint8Array(await readFile(checkpoint)) : undefined;
  if (kept && !resume)
    throw new UserError(`${checkpoint}: an unfinished training; --resume to go on with it, or remove it to begin anew`);
  const examples = (files: readonly CaptionedFile[]): Example[] =>
    files.map(({ path, caption }) => ({
      picture: async () => decodePicture(new Uint8Array(await readFile(path))),
      caption: captionOf(request, caption),
    }));
  const training: Training = {
    ...trainingOptions(request),
    examples: examples(request.files),
    ...(request.prior_files.length > 0 ? { prior: examples(request.prior_files) } : {}),
    ...(request.network_weights === undefined ? {} : { start: await readLora(request.network_weights) }),
    ...(kept ? { resume: kept } : {}),
  };
  const metadata = metadataOf(local);
  const write = async (stem: string, lora: Lora) => {
    const path = join(folder, `${stem}.safetensors`);
    await writeKohya(path, lora, metadata);
    return path;
  };
  const samples = openSamples(local);
  const run = trainLora(pipeline, training, signal);
  let validation: Awaited<ReturnType<typeof openValidation>> | undefined;
  let first: { step: number; at: number } | undefined;
  let loss: number | undefined;
  let save: (() => Promise<void>) | undefined;
  try {
    let next = await run.next();
    for (; !next.done; next = await run.next()) {
      const { step, steps, loss: own, lora, validate, checkpoint: bytes } = next.value;
      save = () => replaceFile(checkpoint, bytes());
      first ??= { step, at: performance.now() };
      loss = loss === undefined ? own : 0.95 * loss + 0.05 * own;
      if (step % request.save_steps === 0 || step === steps) {
        validation ??= await openValidation(folder, kept ? step - 1 : 0);
        const measured = await validate();
        if (measured !== undefined) await validation.add(step, measured);
        if (step < steps) await write(`${name}-step${`${step}`.padStart(8, '0')}`, lora());
        // Last: what a training that goes on from here would not write again is there by then.
        if (step < steps) await save();
      }
      if (samples.due(step, steps)) await samples.draw(step, lora(), signal);
      const timed = step - first.step;
      yield { step, steps, loss, stepsPerSecond: timed > 0 ? (timed * 1000) / (performance.now() - first.at) : undefined };
    }
    const diffusers = join(folder, 'pytorch_lora_weights.safetensors');
    await writeDiffusers(diffusers, next.value);
    const kohya = await write(name, next.value);
    await rm(checkpoint, { force: true });
    const best = validation?.best();
    return { files: [diffusers, kohya], ...(best ? { best } : {}) };
  } catch (error) {
    if (signal.aborted) await save?.();
    throw error;
  }
}

/** What kohya's trainer says of a training; nothing that another run of the same settings would say otherwise. */
const metadataOf = ({
  request,
  name,
  pipeline,
}: Pick<LocalTraining, 'request' | 'name' | 'pipeline'>): Record<string, string> => ({
  ss_base_model_version: pipeline.model.family.baseModelVersion,
  ss_output_name: name,
  ss_learning_rate: String(request.learning_rate),
  ss_optimizer: request.optimizer,
  ss_lr_scheduler: request.lr_scheduler,
  ss_max_train_steps: String(request.steps),
  ss_batch_size_per_device: String(request.batch_size),
  ss_num_train_images: String(request.files.length),
  ss_seed: String(request.seed),
  ss_resolution: `(${request.resolution}, ${request.resolution})`,
  'modelspec.title': name,
  'modelspec.resolution': `${request.resolution}x${request.resolution}`,
  'modelspec.prediction_type': pipeline.schedule.predictionType,
  ...(request.trigger_word ? { 'modelspec.trigger_phrase': request.trigger_word } : {}),
});
