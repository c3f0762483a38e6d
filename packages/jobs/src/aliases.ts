import { closest } from 'fastest-levenshtein';
import { trainingRequestSchema } from './training-request.ts';
import type { Setting } from './training-settings.ts';

/** What else a setting is called. */
export const aliases: Partial<Record<Setting, readonly string[]>> = {
  train_data_dir: ['instance_data_dir', 'data_dir'],
  reg_data_dir: ['class_data_dir'],
  base_model: ['pretrained_model_name_or_path', 'model_name_or_path'],
  output_name: ['project_name'],
  trigger_word: ['trigger_words', 'instance_token', 'instance_prompt', 'caption_prefix'],
  rank: ['lora_rank', 'network_dim', 'lora_r'],
  alpha: ['lora_alpha', 'network_alpha'],
  targets: ['target_modules', 'lora_target_modules'],
  steps: ['max_train_steps', 'max_steps'],
  epochs: ['max_train_epochs', 'num_train_epochs', 'num_epochs', 'epoch'],
  batch_size: ['train_batch_size', 'per_device_train_batch_size'],
  learning_rate: ['unet_lr', 'lr'],
  text_encoder_lr: ['learning_rate_te'],
  optimizer: ['optimizer_type'],
  weight_decay: ['adam_weight_decay', 'optimizer_args.weight_decay'],
  lr_scheduler: ['scheduler', 'lr_scheduler_type'],
  lr_warmup_steps: ['warmup_steps', 'num_warmup_steps'],
  lr_scheduler_num_cycles: ['lr_num_cycles', 'lr_restart_cycles'],
  min_snr_gamma: ['snr_gamma'],
  caption_dropout: ['caption_dropout_rate'],
  shuffle_caption: ['shuffle_tags', 'shuffle_tokens'],
  flip_aug: ['random_flip'],
  save_steps: ['save_every_n_steps', 'checkpointing_steps'],
  sample_prompts: ['validation_prompt', 'sample_prompt'],
  sample_every_n_steps: ['validation_steps'],
  sample_every_n_epochs: ['validation_epochs'],
};

/** Which option of a request one that there is not was meant for: what others call by that name, or the nearest. */
export function optionMeant(name: string): string {
  const options = trainingRequestSchema.keyof().options;
  const [called] = Object.entries(aliases).find(([, names]) => names.includes(name)) ?? [];
  return options.find((option) => option === called) ?? closest(name, options);
}
