import type { TrainingRequest } from './training-request.ts';

/** A settled request's options, whatever its pictures are. */
type Options = Omit<TrainingRequest, 'model' | 'name' | 'files' | 'prior_files' | 'continue_from'>;

/**
 * A settled request's options in the engine's words, which are those of its `Training` but for pictures, start and checkpoint. The
 * types meet where both packages are imported.
 */
export function trainingOptions(request: Options) {
  const { text_encoder_lr, max_grad_norm, min_snr_gamma, ema_decay, gradient_checkpointing, mixed_precision } = request;
  return {
    rank: request.rank,
    alpha: request.alpha,
    targets: request.targets,
    trainTextEncoder: request.train_text_encoder,
    seed: request.seed,
    resolution: request.resolution,
    buckets: request.enable_bucket,
    flip: request.flip_aug,
    shuffleTags: request.shuffle_caption,
    keptTags: request.keep_tokens + (request.trigger_word?.split(',').length ?? 0),
    captionDropout: request.caption_dropout,
    priorWeight: request.prior_loss_weight,
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
    ...(text_encoder_lr === undefined ? {} : { textLearningRate: text_encoder_lr }),
    ...(max_grad_norm === undefined ? {} : { maxGradientNorm: max_grad_norm }),
    ...(min_snr_gamma === undefined ? {} : { minSnrGamma: min_snr_gamma }),
    ...(ema_decay === undefined ? {} : { emaDecay: ema_decay }),
    ...(gradient_checkpointing === 'auto' ? {} : { recompute: gradient_checkpointing }),
    ...(mixed_precision === undefined
      ? {}
      : { precision: mixed_precision === 'fp16' ? ('float16' as const) : ('float32' as const) }),
  };
}

/** What a picture is said to show while it is trained on. */
export const captionOf = ({ trigger_word = '' }: Pick<TrainingRequest, 'trigger_word'>, caption: string): string =>
  [trigger_word, caption].filter((part) => part.trim() !== '').join(', ');
