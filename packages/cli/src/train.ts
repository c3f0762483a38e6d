import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  decodePicture,
  type Example,
  type Lora,
  resizeCover,
  type Training,
  trainLora,
  writeDiffusers,
  writeKohya,
} from '@loraloom/engine';
import { UserError } from './error.ts';
import type { CaptionedFile } from './pictures.ts';
import { replaceFile } from './replace-file.ts';
import { openSamples } from './samples.ts';
import type { LocalTraining } from './training.ts';

/** How far a training has come. */
export interface Progress {
  step: number;
  steps: number;
  /** Smoothed: that of one step says more about its timesteps than about the LoRA. */
  loss: number;
  /** Unknown at the first step, before which the pictures were encoded. */
  stepsPerSecond: number | undefined;
}

/**
 * Trains a LoRA on this machine: `<name>.safetensors` as kohya's trainer names things, pytorch_lora_weights.safetensors as diffusers
 * does, every `save_steps` a checkpoint to go on from beside a LoRA as it then was, and sample pictures. When `signal` aborts, a checkpoint is
 * written before the error goes on.
 * @param resume goes on from the checkpoint that is there, if one is; without it, that there is one is an error
 */
export async function* train(
  local: LocalTraining,
  { resume, signal }: { resume: boolean; signal: AbortSignal },
): AsyncGenerator<Progress, string[]> {
  const { request, name, outputFolder: folder, pipeline } = local;
  wantSupported(local);
  const checkpoint = join(folder, 'checkpoint.safetensors');
  await mkdir(folder, { recursive: true });
  const kept = existsSync(checkpoint) ? new Uint8Array(await readFile(checkpoint)) : undefined;
  if (kept && !resume)
    throw new UserError(`${checkpoint}: an unfinished training; --resume to go on with it, or remove it to begin anew`);
  const training: Training = {
    examples: await examplesOf(request.files, request, signal),
    rank: request.rank,
    alpha: request.alpha,
    learningRate: request.learning_rate,
    optimizer: request.optimizer,
    steps: request.steps,
    batchSize: request.batch_size,
    seed: request.seed,
    targets: request.targets,
    trainTextEncoder: request.train_text_encoder,
    schedule: request.lr_scheduler,
    warmup: request.lr_warmup_steps,
    noiseOffset: request.noise_offset,
    captionDropout: request.caption_dropout,
    ...(request.max_grad_norm === undefined ? {} : { maxGradientNorm: request.max_grad_norm }),
    ...(request.min_snr_gamma === undefined ? {} : { minSnrGamma: request.min_snr_gamma }),
    ...(kept ? { resume: kept } : {}),
  };
  const metadata = metadataOf({ request, name, pipeline });
  const write = async (stem: string, lora: Lora) => {
    const path = join(folder, `${stem}.safetensors`);
    await writeKohya(path, lora, metadata);
    return path;
  };
  const samples = openSamples(local);
  const run = trainLora(pipeline, training, signal);
  let first: { step: number; at: number } | undefined;
  let loss: number | undefined;
  let save: (() => Promise<void>) | undefined;
  try {
    let next = await run.next();
    for (; !next.done; next = await run.next()) {
      const { step, steps, loss: own, lora } = next.value;
      const bytes = next.value.checkpoint;
      save = () => replaceFile(checkpoint, bytes());
      first ??= { step, at: performance.now() };
      loss = loss === undefined ? own : 0.95 * loss + 0.05 * own;
      if (step % request.save_steps === 0 && step < steps) {
        await write(`${name}-step${`${step}`.padStart(8, '0')}`, lora());
        await save();
      }
      if (samples.due(step, steps)) await samples.draw(step, lora(), signal);
      const timed = step - first.step;
      yield { step, steps, loss, stepsPerSecond: timed > 0 ? (timed * 1000) / (performance.now() - first.at) : undefined };
    }
    const diffusers = join(folder, 'pytorch_lora_weights.safetensors');
    await writeDiffusers(diffusers, next.value);
    const kohya = await write(name, next.value);
    await rm(checkpoint, { force: true });
    return [diffusers, kohya];
  } catch (error) {
    if (signal.aborted) await save?.();
    throw error;
  }
}

/** Options that the engine does not know yet must not be passed over in silence. */
function wantSupported({ request, pipeline }: LocalTraining): void {
  const asked: Record<string, boolean> = {
    resolution: request.resolution !== pipeline.resolution,
    enable_bucket: request.enable_bucket,
    flip_aug: request.flip_aug,
    shuffle_caption: request.shuffle_caption,
    gradient_accumulation_steps: request.gradient_accumulation_steps > 1,
    weight_decay: request.weight_decay !== 0.01,
    text_encoder_lr: request.text_encoder_lr !== undefined,
    lr_scheduler_num_cycles: request.lr_scheduler_num_cycles > 1,
    ema_decay: request.ema_decay !== undefined,
    validation_split: request.validation_split > 0,
    reg_data_dir: request.prior_files.length > 0,
    network_weights: request.network_weights !== undefined,
    gradient_checkpointing: request.gradient_checkpointing === true,
    mixed_precision: request.mixed_precision === 'fp16',
  };
  const names = Object.entries(asked).flatMap(([name, is]) => (is ? [name] : []));
  if (names.length > 0) throw new UserError(`not yet supported: ${names.join(', ')}; take it out of the settings`);
}

async function examplesOf(
  files: readonly CaptionedFile[],
  { resolution, trigger_word }: LocalTraining['request'],
  signal: AbortSignal,
) {
  const examples: Example[] = [];
  for (const { path, caption } of files) {
    signal.throwIfAborted();
    const picture = await resizeCover(await decodePicture(new Uint8Array(await readFile(path))), resolution, resolution);
    examples.push({ picture, caption: trigger_word ? `${trigger_word}, ${caption}` : caption });
  }
  return examples;
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
