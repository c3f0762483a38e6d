import type { Pipeline } from '@loraloom/engine';
import type { Options } from './options.ts';

/** What a LoRA's file says that follows from neither its weights nor its request. */
export interface About {
  name: string;
  /** Of the base model. */
  model: string;
  modelDigest: string;
  files: readonly { caption: string; repeats?: number | undefined }[];
  priorPictures: number;
  /** Of the weights, if not of the last step. */
  step?: number;
}

/**
 * What sd-scripts and ModelSpec (1.0.1) say of a training in its LoRA's file, beside what `writeKohya` says by itself. Nothing of it
 * is the time of day: the same training writes the same bytes.
 */
export function metadataOf(request: Options, about: About, pipeline: Pipeline): Record<string, string> {
  const { resolution, steps, batch_size, learning_rate, trigger_word, train_text_encoder } = request;
  const flag = (value: boolean) => (value ? 'True' : 'False');
  const orNone = (value: number | undefined) => (value === undefined ? 'None' : String(value));
  // kohya counts a picture as often as an epoch shows it.
  const pictures = about.files.reduce((sum, { repeats = 1 }) => sum + repeats, 0);
  const folders = Map.groupBy(about.files, ({ repeats = 1 }) => `${repeats}_${about.name}`);
  return {
    ss_base_model_version: pipeline.model.family.baseModelVersion,
    ss_output_name: about.name,
    ss_sd_model_name: about.model,
    ss_sd_model_hash: about.modelDigest,
    ss_learning_rate: String(learning_rate),
    ss_unet_lr: String(learning_rate),
    ss_text_encoder_lr: train_text_encoder ? String(request.text_encoder_lr ?? learning_rate) : 'None',
    ss_optimizer: request.optimizer,
    ss_lr_scheduler: request.lr_scheduler,
    ss_lr_warmup_steps: String(request.lr_warmup_steps),
    ss_max_grad_norm: orNone(request.max_grad_norm),
    ss_max_train_steps: String(steps),
    ss_steps: String(about.step ?? steps),
    ss_num_train_images: String(pictures),
    ss_num_reg_images: String(about.priorPictures),
    ss_prior_loss_weight: String(request.prior_loss_weight),
    ss_num_epochs: String(Math.ceil((steps * batch_size * request.gradient_accumulation_steps) / pictures)),
    ss_batch_size_per_device: String(batch_size),
    ss_gradient_accumulation_steps: String(request.gradient_accumulation_steps),
    ss_mixed_precision: request.mixed_precision ?? 'no',
    ss_seed: String(request.seed),
    ss_resolution: `(${resolution}, ${resolution})`,
    ss_enable_bucket: flag(request.enable_bucket),
    ss_min_snr_gamma: orNone(request.min_snr_gamma),
    ss_noise_offset: request.noise_offset > 0 ? String(request.noise_offset) : 'None',
    ss_caption_dropout_rate: String(request.caption_dropout),
    // Web UIs offer these as words to write into prompts.
    ss_tag_frequency: JSON.stringify(
      Object.fromEntries([...folders].map(([folder, files]) => [folder, frequencies(files, trigger_word)])),
    ),
    ss_dataset_dirs: JSON.stringify(
      Object.fromEntries(
        [...folders].map(([folder, files]) => [folder, { n_repeats: files[0]?.repeats ?? 1, img_count: files.length }]),
      ),
    ),
    'modelspec.title': about.name,
    'modelspec.resolution': `${resolution}x${resolution}`,
    'modelspec.prediction_type': pipeline.schedule.predictionType,
    ...(trigger_word ? { 'modelspec.trigger_phrase': trigger_word } : {}),
  };
}

/** How often each comma-separated tag is in the captions, the frequent ones first, at most a thousand. */
function frequencies(files: About['files'], trigger?: string): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { caption } of files) {
    const tags = caption.split(',').map((tag) => tag.trim());
    for (const tag of [...(trigger ? [trigger] : []), ...tags]) if (tag) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  }
  return Object.fromEntries([...counts].toSorted(([, a], [, b]) => b - a).slice(0, 1000));
}
