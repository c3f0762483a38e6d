import type { Setting } from './training-settings.ts';

/* What the settings files of kohya's, lora-scripts' and diffusers' trainers say, in terms of ours. */

const off = (...names: readonly string[]) => names.map((name): [string, readonly unknown[]] => [name, [false]]);
const none = (...names: readonly string[]) => names.map((name): [string, readonly unknown[]] => [name, [0]]);

/** Settings that ask for what happens anyway, while they have one of these values. */
export const neutral = new Map<string, readonly unknown[]>([
  ...Object.entries({
    network_module: ['networks.lora'],
    model_train_type: ['sd-lora', 'sdxl-lora'],
    save_model_as: ['safetensors'],
    task_type: ['text-to-image', 'image-generation', 'stable-diffusion'],
    loss_type: ['l2'],
    clip_skip: [1],
    max_token_length: [75, 77],
    caption_separator: [','],
    keep_tokens_separator: [],
    max_timestep: [1000],
    token_warmup_min: [1],
    lr_scheduler_power: [1],
    prodigy_d0: [1e-6],
    prodigy_d_coef: [1],
    'optimizer_args.betas': [],
    'optimizer_args.d0': [1e-6],
    'optimizer_args.d_coef': [1],
    'optimizer_args.decouple': [true],
    'optimizer_args.eps': [1e-8],
  }),
  ...off('v2', 'sdxl', 'v_parameterization', 'zero_terminal_snr', 'network_train_text_encoder_only', 'dim_from_weights'),
  ...off('weighted_captions', 'enable_wildcard', 'color_aug', 'random_crop', 'bucket_no_upscale', 'alpha_mask', 'masked_loss'),
  ...off('debiased_estimation_loss', 'scale_v_pred_loss_like_noise_pred', 'ip_noise_gamma_random_strength', 'train_norm'),
  ...off('noise_offset_random_strength', 'full_fp16', 'full_bf16', 'fp8_base', 'fp8_base_unet', 'scale_lr', 'no_metadata'),
  ...off('sample_at_first', 'enable_preview', 'enable_block_weights', 'use_8bit_adam', 'use_lion_optimizer'),
  ...off('optimizer_args.use_bias_correction', 'optimizer_args.safeguard_warmup', 'optimizer_args.amsgrad'),
  ...none('lora_dropout', 'network_dropout', 'dropout', 'caption_tag_dropout_rate', 'caption_dropout_every_n_epochs'),
  ...none('scale_weight_norms', 'multires_noise_iterations', 'ip_noise_gamma', 'adaptive_noise_scale', 'v_pred_like_loss'),
  ...none('min_timestep', 'token_warmup_step', 'lr_decay_steps', 'lr_scheduler_timescale', 'lr_scheduler_min_lr_ratio'),
  ...none('save_n_epoch_ratio', 'conv_dim', 'conv_alpha', 'network_args.conv_dim', 'network_args.conv_alpha'),
]);

/** Settings that there are not, while they have no neutral value: what to write in their place. */
export const instead = new Map<string, string>(
  Object.entries({
    use_8bit_adam: 'optimizer: adamw',
    use_lion_optimizer: 'optimizer: lion',
    conv_dim: 'targets: attention+ff+conv, of the same rank',
    'network_args.conv_dim': 'targets: attention+ff+conv, of the same rank',
    conv_alpha: 'alpha, which is that of the convolutions as well',
    'network_args.conv_alpha': 'alpha, which is that of the convolutions as well',
    lycoris_algo: 'network_module: networks.lora; only LoRA itself is trained',
    'network_args.algo': 'network_module: networks.lora; only LoRA itself is trained',
    dataset_config: 'train_data_dir with folders named 10_name, where 10 is num_repeats',
    dataset_name: 'train_data_dir: a folder on this machine',
    dataset_repeats: 'folders named 10_name in train_data_dir, or more epochs',
    repeats: 'folders named 10_name in train_data_dir, or more epochs',
    in_json: 'metadata_path: a CSV of file names and captions',
    class_prompt: 'captions for the pictures of reg_data_dir: metadata.csv, or files beside them',
    with_prior_preservation: 'reg_data_dir alone, which says it',
    num_class_images: 'reg_data_dir: as many of its pictures are shown as of the others',
    vae: 'a base_model with that autoencoder in it',
    base_weights: 'network_weights: a LoRA to train on from',
    prediction_type: 'a base_model whose scheduler says it',
    resume: 'loraloom train --resume, from the checkpoint in output_dir',
    resume_from_checkpoint: 'loraloom train --resume, from the checkpoint in output_dir',
    validation_seed: 'seed',
    validate_every_n_steps: 'save_steps: every checkpoint is measured',
    validate_every_n_epochs: 'save_every_n_epochs: every checkpoint is measured',
    // The interval with one trainer, steps of the sampler with another.
    sample_steps: 'sample_every_n_steps; a sample takes 20 steps of the sampler',
    positive_prompts: 'sample_prompts',
    negative_prompts: 'sample_prompts alone; samples are made without a negative prompt',
    enable_preview: 'sample_prompts, with sample_every_n_steps or sample_every_n_epochs',
    use_ema: 'ema_decay: 0.999, or as you like',
    keep_tokens_separator: 'keep_tokens: how many tags stay in front',
    'optimizer_args.betas': 'none: adamw’s and prodigy’s are 0.9 and 0.999, lion’s 0.9 and 0.99',
  }),
);

/** Settings that say how another trainer does its work on its machine, not what comes of it. */
export const housekeeping: readonly string[] = [
  ...['xformers', 'sdpa', 'mem_eff_attn', 'enable_xformers_memory_efficient_attention', 'attention', 'lowram', 'highvram'],
  ...['allow_tf32', 'torch_compile', 'dynamo_backend', 'cpu_offload_checkpointing', 'fused_backward_pass', 'vae_batch_size'],
  ...['cache_latents', 'cache_latents_to_disk', 'cache_text_encoder_outputs', 'cache_info', 'skip_cache_check', 'no_half_vae'],
  ...['center_crop', 'num_workers', 'dataloader_num_workers', 'max_data_loader_n_workers', 'persistent_data_loader_workers'],
  ...['gpu_ids', 'multi_gpu', 'num_processes', 'num_machines', 'num_cpu_threads_per_process', 'main_process_port', 'local_rank'],
  ...['ddp_timeout', 'ddp_gradient_as_bucket_view', 'ddp_static_graph', 'tokenizer_cache_dir', 'cache_dir', 'debug_dataset'],
  ...['min_bucket_reso', 'max_bucket_reso', 'bucket_reso_steps', 'save_precision', 'save_state', 'save_state_on_train_end'],
  // Every checkpoint is kept.
  ...[
    'save_last_n_epochs',
    'save_last_n_epochs_state',
    'save_last_n_steps',
    'save_last_n_steps_state',
    'checkpoints_total_limit',
  ],
  // Of losses and noises that are refused.
  ...['huber_schedule', 'huber_c', 'huber_scale', 'multires_noise_discount'],
  ...[
    'logging_dir',
    'log_dir',
    'log_with',
    'log_prefix',
    'log_tracker_name',
    'log_tracker_config',
    'log_config',
    'logging_steps',
  ],
  ...['report_to', 'wandb_api_key', 'wandb_run_name', 'training_comment', 'metadata_title', 'metadata_author'],
  ...['metadata_description', 'metadata_license', 'metadata_tags', 'output_config'],
  ...['sample_sampler', 'sample_cfg', 'sample_width', 'sample_height', 'sample_seed', 'num_validation_images'],
];

const unlessZero = (value: unknown) => (Number(value) === 0 ? undefined : value);

/** Values that others write in other ways; `undefined` leaves the default. */
export const readings: Partial<Record<Setting, (value: unknown) => unknown>> = {
  // The steps of bitsandbytes' 8-bit and paged optimizers are those of the exact ones, but for rounding.
  optimizer: (value) => (typeof value === 'string' ? value.toLowerCase().replaceAll(/^paged|8bit$/g, '') : value),
  resolution: (value) => {
    const sides = Array.isArray(value) ? value : typeof value === 'string' ? value.split(/[,x×]/) : [value];
    return sides.every((side) => Number(side) === Number(sides[0])) ? Number(sides[0]) : value;
  },
  caption_extension: (value) => (typeof value === 'string' ? value.replace(/^\.?/, '.') : value),
  mixed_precision: (value) => (value === false ? 'no' : value),
  sample_prompts: (value) => (typeof value === 'string' ? [value] : value),
  seed: (value) => (Number(value) === -1 ? undefined : value),
  // 0 is how kohya's trainer is told to do without.
  max_grad_norm: unlessZero,
  min_snr_gamma: unlessZero,
  text_encoder_lr: unlessZero,
  lr_scheduler_num_cycles: unlessZero,
  save_every_n_epochs: unlessZero,
  sample_every_n_epochs: unlessZero,
};
