import type { Example, Lora, Picture, Training } from '@loraloom/engine';
import type { TrainingRequest } from '@loraloom/jobs';

/** What a settled request says of a training, wherever its pictures lie. */
export type Options = Omit<TrainingRequest, 'model' | 'name' | 'files' | 'prior_files' | 'continue_from'>;

/** A picture to train on, and what it shows, without the trigger word. */
export interface Captioned {
  read(): Promise<Picture>;
  caption: string;
}

/** A request's training as the engine takes it. */
export function trainingOf(
  request: Options,
  {
    files,
    prior = [],
    start,
    resume,
  }: { files: readonly Captioned[]; prior?: readonly Captioned[]; start?: Lora; resume?: Uint8Array },
): Training {
  const { trigger_word: trigger, mixed_precision: precision, gradient_checkpointing: recompute } = request;
  const given = <Key extends string, T>(key: Key, value: T | undefined) => (value === undefined ? {} : { [key]: value });
  return {
    examples: files.map(
      ({ read, caption }): Example => ({
        picture: read,
        caption: [trigger ?? '', caption].filter((part) => part.trim() !== '').join(', '),
      }),
    ),
    prior: prior.map(({ read, caption }): Example => ({ picture: read, caption })),
    priorWeight: request.prior_loss_weight,
    rank: request.rank,
    alpha: request.alpha,
    targets: request.targets,
    trainTextEncoder: request.train_text_encoder,
    seed: request.seed,
    resolution: request.resolution,
    buckets: request.enable_bucket,
    flip: request.flip_aug,
    shuffleTags: request.shuffle_caption,
    // The trigger word is a tag before all others, or several.
    keptTags: request.keep_tokens + (trigger?.split(',').length ?? 0),
    captionDropout: request.caption_dropout,
    validationSplit: request.validation_split,
    steps: request.steps,
    batchSize: request.batch_size,
    accumulation: request.gradient_accumulation_steps,
    learningRate: request.learning_rate,
    optimizer: request.optimizer,
    weightDecay: request.weight_decay,
    schedule: request.lr_scheduler,
    warmup: request.lr_warmup_steps,
    cycles: request.lr_scheduler_num_cycles,
    noiseOffset: request.noise_offset,
    keepSteps: request.save_steps,
    ...given('textLearningRate', request.text_encoder_lr),
    ...given('maxGradientNorm', request.max_grad_norm),
    ...given('minSnrGamma', request.min_snr_gamma),
    ...given('emaDecay', request.ema_decay),
    ...(recompute === 'auto' ? {} : { recompute }),
    ...(precision === undefined ? {} : { precision: precision === 'fp16' ? 'float16' : 'float32' }),
    ...given('start', start),
    ...given('resume', resume),
  };
}
