import type { Example, Lora, Picture, Training } from '@loraloom/engine';
import type { TrainingRequest } from '@loraloom/jobs';

/** What a settled request says of a training, wherever its pictures lie. */
export type Options = Omit<TrainingRequest, 'model' | 'name' | 'files' | 'prior_files' | 'continue_from'>;

/** A picture to train on, and what it shows, without the trigger word. */
export interface Captioned {
  read(): Promise<Picture>;
  caption: string;
  /** How often an epoch shows it, if not once. */
  repeats?: number | undefined;
}

/** What a training begins with, beside its options. */
export interface Material {
  files: readonly Captioned[];
  prior?: readonly Captioned[];
  /** A LoRA to go on from. */
  start?: Lora | undefined;
  /** A checkpoint of the same training. */
  resume?: Uint8Array | undefined;
}

/** A request's training as the engine takes it. */
export function trainingOf(request: Options, { files, prior = [], start, resume }: Material): Training {
  const { text_encoder_lr, max_grad_norm, min_snr_gamma, ema_decay, gradient_checkpointing, mixed_precision } = request;
  return {
    examples: files.map(
      ({ read, caption, repeats }): Example => ({ picture: read, caption: captionOf(request, caption), repeats }),
    ),
    // Pictures of the class at large are not of what the trigger word names.
    ...(prior.length > 0
      ? { prior: prior.map(({ read, caption, repeats }): Example => ({ picture: read, caption, repeats })) }
      : {}),
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
    // The trigger word's tags are before all others.
    keptTags: request.keep_tokens + (request.trigger_word?.split(',').length ?? 0),
    captionDropout: request.caption_dropout,
    validationSplit: request.validation_split,
    steps: request.steps,
    batchSize: request.batch_size,
    accumulation: request.gradient_accumulation_steps,
    optimizer: request.optimizer,
    weightDecay: request.weight_decay,
    learningRate: request.learning_rate,
    schedule: request.lr_scheduler,
    warmup: request.lr_warmup_steps,
    cycles: request.lr_scheduler_num_cycles,
    noiseOffset: request.noise_offset,
    keepSteps: request.save_steps,
    ...(text_encoder_lr === undefined ? {} : { textLearningRate: text_encoder_lr }),
    ...(max_grad_norm === undefined ? {} : { maxGradientNorm: max_grad_norm }),
    ...(min_snr_gamma === undefined ? {} : { minSnrGamma: min_snr_gamma }),
    ...(ema_decay === undefined ? {} : { emaDecay: ema_decay }),
    ...(gradient_checkpointing === 'auto' ? {} : { recompute: gradient_checkpointing }),
    ...(mixed_precision === undefined ? {} : { precision: mixed_precision === 'fp16' ? 'float16' : 'float32' }),
    ...(start ? { start } : {}),
    ...(resume ? { resume } : {}),
  };
}

/** What a picture is said to show while it is trained on. */
export const captionOf = ({ trigger_word = '' }: Pick<TrainingRequest, 'trigger_word'>, caption: string): string =>
  [trigger_word, caption].filter((part) => part.trim() !== '').join(', ');
