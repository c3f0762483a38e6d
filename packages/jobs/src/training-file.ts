import { closest } from 'fastest-levenshtein';
import { z } from 'zod';
import { RequestError } from './request-error.ts';
import { trainingRequestSchema } from './training-request.ts';

/*
 * The settings file of lora-scripts, as its users write it, with the options of kohya's and diffusers' trainers beside its own.
 * Reading the folders that it names is left to whoever has a disk.
 */

const path = z.string().min(1);
const optionsSchema = trainingRequestSchema.omit({
  model: true,
  name: true,
  files: true,
  prior_files: true,
  continue_from: true,
});

export const settingsSchema = z.strictObject({
  train_data_dir: path.meta({ description: 'folder of pictures' }),
  metadata_path: path.optional().meta({
    description: 'CSV of file names and captions; default: metadata.csv in that folder, then the files beside the pictures',
  }),
  caption_extension: z.string().min(1).default('.txt').meta({ description: 'Ending of captions in files beside the pictures' }),
  reg_data_dir: path.optional().meta({ description: 'Folder of prior-preservation pictures, with captions as above' }),
  base_model: path.meta({ description: 'base: a single .safetensors file, a diffusers folder, or a registered model’s name' }),
  network_weights: path.optional().meta({ description: 'A LoRA file to train on from' }),
  output_dir: path.meta({ description: 'folder that the LoRA and the checkpoints go to' }),
  output_name: z.string().min(1).optional().meta({ description: 'Name of kohya’s file; default: the folder’s' }),
  ...optionsSchema.shape,
});

/** What a settings file says, every option under its one name, defaults filled in. */
export type TrainingFile = z.output<typeof settingsSchema>;
type Setting = keyof TrainingFile;

/** What else a setting is called. */
export const aliases: Partial<Record<Setting, readonly string[]>> = {
  train_data_dir: ['instance_data_dir', 'data_dir'],
  reg_data_dir: ['class_data_dir'],
  base_model: ['pretrained_model_name_or_path', 'model_name_or_path'],
  output_name: ['project_name'],
  trigger_word: ['trigger_words', 'instance_token'],
  rank: ['lora_rank', 'network_dim', 'lora_r'],
  alpha: ['lora_alpha', 'network_alpha'],
  targets: ['target_modules', 'lora_target_modules'],
  steps: ['max_train_steps', 'max_steps'],
  epochs: ['max_train_epochs', 'num_train_epochs', 'num_epochs', 'epoch'],
  batch_size: ['train_batch_size', 'per_device_train_batch_size'],
  learning_rate: ['unet_lr', 'lr'],
  text_encoder_lr: ['learning_rate_te'],
  optimizer: ['optimizer_type'],
  weight_decay: ['adam_weight_decay'],
  lr_scheduler: ['scheduler', 'lr_scheduler_type'],
  lr_warmup_steps: ['warmup_steps', 'num_warmup_steps'],
  lr_scheduler_num_cycles: ['lr_num_cycles', 'lr_restart_cycles'],
  min_snr_gamma: ['snr_gamma'],
  caption_dropout: ['caption_dropout_rate'],
  shuffle_caption: ['shuffle_tags', 'shuffle_tokens'],
  flip_aug: ['random_flip'],
  save_steps: ['save_every_n_steps', 'checkpointing_steps'],
  sample_prompts: ['validation_prompt', 'sample_prompt'],
  sample_every_n_steps: ['sample_steps', 'validation_steps'],
};

/** Settings of other trainers that ask for what happens anyway, while they have one of these values. */
const neutral = new Map<string, readonly unknown[]>(
  Object.entries({
    network_module: ['networks.lora'],
    save_model_as: ['safetensors'],
    task_type: ['text-to-image', 'image-generation', 'stable-diffusion'],
    loss_type: ['l2'],
    clip_skip: [1],
    max_token_length: [75, 77],
    v2: [false],
    sdxl: [false],
    v_parameterization: [false],
    network_train_text_encoder_only: [false],
    weighted_captions: [false],
    color_aug: [false],
    random_crop: [false],
    bucket_no_upscale: [false],
    lora_dropout: [0],
    network_dropout: [0],
    caption_tag_dropout_rate: [0],
    caption_dropout_every_n_epochs: [0],
    scale_weight_norms: [0],
    multires_noise_iterations: [0],
    ip_noise_gamma: [0],
    adaptive_noise_scale: [0],
  }),
);

/** Settings that say how another trainer does its work on its machine, not what comes of it. */
const housekeeping = [
  ...['xformers', 'sdpa', 'mem_eff_attn', 'enable_xformers_memory_efficient_attention', 'attention', 'lowram', 'allow_tf32'],
  ...['cache_latents', 'cache_latents_to_disk', 'cache_text_encoder_outputs', 'vae_batch_size', 'no_half_vae', 'center_crop'],
  ...['num_workers', 'dataloader_num_workers', 'max_data_loader_n_workers', 'persistent_data_loader_workers', 'dynamo_backend'],
  ...['min_bucket_reso', 'max_bucket_reso', 'bucket_reso_steps', 'save_precision', 'save_state', 'training_comment'],
  ...['logging_dir', 'log_dir', 'log_with', 'log_prefix', 'logging_steps', 'report_to', 'wandb_api_key', 'sample_sampler'],
];

/** Every name of every setting. */
const settings = new Map(
  settingsSchema.keyof().options.flatMap((key) => [key, ...(aliases[key] ?? [])].map((name): [string, Setting] => [name, key])),
);

/** Values that others write in other ways; `undefined` leaves the default. */
const readings: Partial<Record<Setting, (value: unknown) => unknown>> = {
  // The steps of bitsandbytes' 8-bit optimizers are those of the exact ones, but for rounding.
  optimizer: (value) => (typeof value === 'string' ? value.toLowerCase().replace(/8bit$/, '') : value),
  resolution: (value) => {
    const sides = Array.isArray(value) ? value : typeof value === 'string' ? value.split(/[,x×]/) : [value];
    return sides.every((side) => Number(side) === Number(sides[0])) ? Number(sides[0]) : value;
  },
  caption_extension: (value) => (typeof value === 'string' ? value.replace(/^\.?/, '.') : value),
  mixed_precision: (value) => (value === false ? 'no' : value),
  sample_prompts: (value) => (typeof value === 'string' ? [value] : value),
  // 0 is how kohya's trainer is told to do without.
  max_grad_norm: (value) => (value === 0 ? undefined : value),
  min_snr_gamma: (value) => (value === 0 ? undefined : value),
  text_encoder_lr: (value) => (value === 0 ? undefined : value),
};

/**
 * Reads a settings file's parsed YAML. Settings without a value count as not there, as `seed:` and `reg_data_dir: ""`.
 * @returns the settings, and the keys among them that have no meaning here
 * @throws RequestError `bad_settings` that names everything that is wrong, `param` the first of it
 */
export function readTrainingFile(content: unknown): { file: TrainingFile; ignored: string[] } {
  const lines = z.record(z.string(), z.unknown()).safeParse(content);
  if (!lines.success) throw new RequestError('bad_settings', 'not a list of settings; want lines like `lora_rank: 8`', null);
  const problems: { key: string; problem: string }[] = [];
  const found = new Map<Setting, { name: string; value: unknown }>();
  const ignored: string[] = [];
  const set = (setting: Setting, name: string, value: unknown) => {
    const reading = readings[setting];
    const read = tolerant(settingsSchema.shape[setting], reading ? reading(value) : value);
    if (read === undefined) return;
    const other = found.get(setting);
    if (other && JSON.stringify(other.value) !== JSON.stringify(read))
      problems.push({ key: name, problem: `the same setting as ${other.name}, with another value; want one of them` });
    found.set(setting, { name, value: read });
  };
  for (const [name, value] of Object.entries(lines.data)) {
    if (value === null || value === '') continue;
    const setting = settings.get(name);
    const wanted = neutral.get(name);
    const plain = tolerant(z.union([z.number(), z.boolean()]), value);
    if (setting) set(setting, name, value);
    else if (name === 'network_train_unet_only' && typeof plain === 'boolean') set('train_text_encoder', name, !plain);
    else if (housekeeping.includes(name)) ignored.push(name);
    else if (!wanted) problems.push({ key: name, problem: `unknown; did you mean ${closest(name, known)}?` });
    else if (!wanted.includes(plain))
      problems.push({
        key: name,
        problem: `${JSON.stringify(value)} is not supported; want ${wanted.join(' or ')}, or no ${name}`,
      });
  }
  // kohya's trainer trains the text encoder unless told otherwise; giving it a rate is taken as asking for it.
  if (found.has('text_encoder_lr') && !found.has('train_text_encoder')) set('train_text_encoder', 'text_encoder_lr', true);
  const read = settingsSchema.safeParse(Object.fromEntries([...found].map(([key, { value }]) => [key, value])));
  for (const { path, message } of read.error?.issues ?? []) {
    const setting = settingsSchema.keyof().parse(path[0]);
    const name = found.get(setting)?.name;
    const missing = `missing; want the ${settingsSchema.shape[setting].meta()?.description ?? setting}`;
    problems.push(name ? { key: [name, ...path.slice(1)].join('.'), problem: message } : { key: setting, problem: missing });
  }
  const [first] = problems;
  if (!read.success || first) {
    const list = problems.map(({ key, problem }) => `${key}: ${problem}`).join('\n');
    throw new RequestError('bad_settings', list, first?.key ?? null);
  }
  return { file: read.data, ignored };
}

const known = [...settings.keys(), ...neutral.keys(), ...housekeeping];
const words = new Map([
  ...['yes', 'on', 'true'].map((word) => [word, true] as const),
  ...['no', 'off', 'false'].map((word) => [word, false] as const),
]);

/** What was meant where a number (YAML 1.1 reads `2e-4` as text) or a yes was written as text, or a text looks like either. */
function tolerant(schema: z.ZodType, value: unknown): unknown {
  if (schema.safeParse(value).success) return value;
  const others =
    typeof value === 'string'
      ? [words.get(value.toLowerCase()), ...(value.trim() === '' ? [] : [Number(value)])]
      : typeof value === 'number' || typeof value === 'boolean'
        ? [String(value)]
        : [];
  return others.find((other) => other !== undefined && schema.safeParse(other).success) ?? value;
}
