import { type Batch, type Lora, type Picture, type Pipeline, resultOf, type Training, trainLora } from '@loraloom/engine';
import type { Sampler } from '@loraloom/jobs';
import type { Options } from './options.ts';

/** A picture made on the way, to see what has been learnt. */
export interface Sample {
  prompt: string;
  picture: Picture;
}

/** The LoRA as it is at a step whose checkpoint is kept. */
export interface Saved {
  lora: Lora;
  /** On pictures that were not trained on, where some were kept for that. */
  validationLoss: number | null;
}

export interface TrainerStep {
  step: number;
  steps: number;
  /** Of this step's pictures alone, which says more about their timesteps than about the LoRA. */
  loss: number;
  /** Smoothed over about twenty steps. */
  smoothLoss: number;
  learningRate: number;
  /** Unknown at the first step, before which the pictures were encoded. */
  stepsPerSecond: number | undefined;
  /** All that a training needs to go on from here. */
  checkpoint(): Uint8Array<ArrayBuffer>;
  /** Every `save_steps`, and at the end. */
  saved?: Saved;
  /** Every `sample_every_n_steps`, and at the end. */
  samples?: Sample[];
}

/** How sample pictures are made: always the same way, so that only the LoRA makes a difference. */
export interface Sampling {
  batch: Batch;
  steps: number;
  guidanceScale: number;
  sampler: Sampler;
}

/** Trains a LoRA as a request asks for, with the checkpoints and sample pictures that it wants. @throws as `trainLora` */
export async function* runTraining(
  pipeline: Pipeline,
  request: Options,
  training: Training,
  { batch, ...how }: Sampling,
  signal: AbortSignal,
): AsyncGenerator<TrainerStep, Lora> {
  const { save_steps, sample_every_n_steps, sample_prompts, resolution, seed } = request;
  const draw = async (lora: Lora): Promise<Sample[]> => {
    const pictures = sample_prompts.map((prompt, i) => {
      const wanted = { ...how, prompt, negativePrompt: '', seed: (seed + i) % 2 ** 32, width: resolution, height: resolution };
      return resultOf(batch.generate({ ...wanted, loras: [{ lora, weight: 1 }] }, signal));
    });
    const made = await Promise.all(pictures);
    return sample_prompts.flatMap((prompt, i) => (made[i] ? [{ prompt, picture: made[i] }] : []));
  };
  const run = trainLora(pipeline, training, signal);
  let first: { step: number; at: number } | undefined;
  let smooth: number | undefined;
  let next = await run.next();
  for (; !next.done; next = await run.next()) {
    const { step, steps, loss, learningRate, checkpoint, lora, validate } = next.value;
    first ??= { step, at: performance.now() };
    smooth = smooth === undefined ? loss : 0.95 * smooth + 0.05 * loss;
    const due = (every: number) => step % every === 0 || step === steps;
    const timed = step - first.step;
    yield {
      step,
      steps,
      loss,
      smoothLoss: smooth,
      learningRate,
      stepsPerSecond: timed > 0 ? (timed * 1000) / (performance.now() - first.at) : undefined,
      checkpoint,
      ...(due(save_steps) ? { saved: { lora: lora(), validationLoss: (await validate()) ?? null } } : {}),
      ...(sample_prompts.length > 0 && due(sample_every_n_steps) ? { samples: await draw(lora()) } : {}),
    };
  }
  return next.value;
}

/** Which of a training's checkpoints was best on pictures that it had not seen; null where none was measured. */
export function best<Kept extends { step: number; validation_loss: number | null }>(checkpoints: readonly Kept[]): number | null {
  let found: { step: number; loss: number } | undefined;
  for (const { step, validation_loss: loss } of checkpoints)
    if (loss !== null && loss < (found?.loss ?? Number.POSITIVE_INFINITY)) found = { step, loss };
  return found?.step ?? null;
}
