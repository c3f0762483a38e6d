import { readTrainingFile, type TrainingFile } from '@loraloom/jobs/training-file';
import { expect, test } from 'vitest';
import { parse } from 'yaml';

const read = (text: string) => readTrainingFile(parse(text));
const places = { train_data_dir: './data', base_model: './model', output_dir: './out' };
const needed = 'train_data_dir: ./data\nbase_model: ./model\noutput_dir: ./out\n';
const settings = (text: string): TrainingFile => read(needed + text).file;

test('the settings file of lora-scripts’ own guide', () => {
  const { file, ignored } = read(`
train_data_dir: "./data/style_train"
metadata_path: "./data/style_train/metadata.csv"     # file name, caption; header optional; also <name>.txt beside each picture
base_model: "./models/Stable-diffusion/v1-5-pruned.safetensors"   # or a diffusers folder, or a registered model's name
lora_rank: 8
batch_size: 4
epochs: 10
learning_rate: 2e-4
output_dir: "./output/my_style_lora"                 # pytorch_lora_weights.safetensors, and the kohya file beside it
save_steps: 100
`);
  expect(file).toMatchObject({
    train_data_dir: './data/style_train',
    metadata_path: './data/style_train/metadata.csv',
    base_model: './models/Stable-diffusion/v1-5-pruned.safetensors',
    rank: 8,
    batch_size: 4,
    epochs: 10,
    learning_rate: 0.0002,
    output_dir: './output/my_style_lora',
    save_steps: 100,
    caption_extension: '.txt',
    optimizer: 'adamw',
  });
  expect(file.steps).toBeUndefined();
  expect(ignored).toEqual([]);
});

test('kohya’s names and habits: its own example of settings, as YAML', () => {
  const { file, ignored } = read(`
pretrained_model_name_or_path: ./sd-models/model.safetensors
v2: false
v_parameterization: false
train_data_dir: ./train/aki
reg_data_dir: ""
resolution: "512,512"
prior_loss_weight: 1
enable_bucket: true
min_bucket_reso: 256
max_bucket_reso: 1024
network_dim: 32
network_alpha: 16
network_train_unet_only: false
network_module: networks.lora
learning_rate: 1e-4
unet_lr: "1e-4"
text_encoder_lr: 1e-5
optimizer_type: AdamW8bit
lr_scheduler: cosine_with_restarts
lr_warmup_steps: 0
lr_scheduler_num_cycles: 3
train_batch_size: 2
max_train_epochs: 10
max_grad_norm: 0
min_snr_gamma: 5.0
noise_offset: 0.0
keep_tokens: 1
shuffle_caption: yes
caption_extension: txt
caption_dropout_rate: "0.05"
save_every_n_steps: 200
sample_prompts: 1girl, solo
mixed_precision: no
gradient_checkpointing: True
clip_skip: 1
xformers: true
cache_latents: true
logging_dir: ./logs
output_dir: ./output
output_name: 2024
seed:
`);
  expect(file).toMatchObject({
    base_model: './sd-models/model.safetensors',
    resolution: 512,
    enable_bucket: true,
    rank: 32,
    alpha: 16,
    train_text_encoder: true,
    learning_rate: 1e-4,
    text_encoder_lr: 1e-5,
    optimizer: 'adamw',
    lr_scheduler: 'cosine_with_restarts',
    lr_scheduler_num_cycles: 3,
    batch_size: 2,
    epochs: 10,
    min_snr_gamma: 5,
    keep_tokens: 1,
    shuffle_caption: true,
    caption_extension: '.txt',
    caption_dropout: 0.05,
    save_steps: 200,
    sample_prompts: ['1girl, solo'],
    mixed_precision: 'no',
    gradient_checkpointing: true,
    output_name: '2024',
  });
  expect(file).not.toHaveProperty('max_grad_norm');
  expect(file).not.toHaveProperty('reg_data_dir');
  expect(file).not.toHaveProperty('seed');
  expect(ignored).toEqual(['min_bucket_reso', 'max_bucket_reso', 'xformers', 'cache_latents', 'logging_dir']);
});

test.each<[string, Partial<TrainingFile>]>([
  // YAML 1.1 has 2e-4 and 1E5 as text, and yes and off as truth values; 1.2 has it the other way round.
  ['learning_rate: 2e-4', { learning_rate: 2e-4 }],
  ['learning_rate: "2e-4"', { learning_rate: 2e-4 }],
  ['learning_rate: 2.0e-04', { learning_rate: 2e-4 }],
  ['lr: .0002', { learning_rate: 2e-4 }],
  ['flip_aug: off', { flip_aug: false }],
  ['random_flip: "True"', { flip_aug: true }],
  ['resolution: 768', { resolution: 768 }],
  ['resolution: 768x768', { resolution: 768 }],
  ['resolution: [640, 640]', { resolution: 640 }],
  ['optimizer: Lion8bit', { optimizer: 'lion' }],
  ['optimizer_type: Prodigy', { optimizer: 'prodigy' }],
  ['text_encoder_lr: 1e-5', { text_encoder_lr: 1e-5, train_text_encoder: true }],
  ['text_encoder_lr: 0', { train_text_encoder: false }],
  ['network_train_unet_only: true', { train_text_encoder: false }],
  ['sample_prompts: [a cat, "a dog, sitting"]', { sample_prompts: ['a cat', 'a dog, sitting'] }],
  ['num_train_epochs: 3\nepochs: 3', { epochs: 3 }],
  ['save_every_n_epochs: 2', { save_every_n_epochs: 2 }],
  ['sample_every_n_epochs: "1"', { sample_every_n_epochs: 1 }],
  ['optimizer_args: ["weight_decay=0.1", "decouple=True"]', { weight_decay: 0.1 }],
  ['optimizer_args: weight_decay=0.1 d_coef=1', { weight_decay: 0.1 }],
  ['optimizer_type: PagedAdamW8bit', { optimizer: 'adamw' }],
  ['learning_rate: 1e-4\nunet_lr: 5e-4', { learning_rate: 5e-4 }],
  ['unet_lr: 5e-4\nlr: 1e-4', { learning_rate: 5e-4 }],
  ['seed: -1', {}],
  ['instance_prompt: a photo of sks dog', { trigger_word: 'a photo of sks dog' }],
  ['use_8bit_adam: false\nconv_dim: 0\nsave_n_epoch_ratio: 0\nnetwork_args: []', {}],
  ['trigger_word: 1984', { trigger_word: '1984' }],
  ['mixed_precision: false', { mixed_precision: 'no' }],
  ['gradient_checkpointing: auto', { gradient_checkpointing: 'auto' }],
])('%s', (text, expected) => {
  expect(settings(text)).toMatchObject({ ...places, ...expected });
});

test.each([
  // what is written → the key that is named, and what is said of it
  ['lora_rnak: 8', 'lora_rnak', 'did you mean lora_rank?'],
  ['learningrate: 1e-4', 'learningrate', 'did you mean learning_rate?'],
  ['save_evry_n_epochs: 1', 'save_evry_n_epochs', 'did you mean save_every_n_epochs?'],
  ['max_token_length: 225', 'max_token_length', 'want 75 or 77'],
  ['sample_steps: 24', 'sample_steps', 'want sample_every_n_steps'],
  ['network_args: ["conv_dim=4"]', 'network_args.conv_dim', 'want targets: attention+ff+conv'],
  ['network_args: conv_dim=4 conv_alpha=1', 'network_args.conv_dim', 'want targets: attention+ff+conv'],
  ['optimizer_args: ["betas=0.9,0.99"]', 'optimizer_args.betas', '0.9 and 0.999'],
  ['optimizer_args: [decouple=False]', 'optimizer_args.decouple', 'want true'],
  ['dataset_config: ./data.toml', 'dataset_config', '10_name'],
  ['use_8bit_adam: true', 'use_8bit_adam', 'optimizer: adamw'],
  ['constructor: 1', 'constructor', 'unknown'],
  ['lora_rank: 500', 'lora_rank', '128'],
  ['lora_rank: eight', 'lora_rank', 'number'],
  ['resolution: "512,768"', 'resolution', 'number'],
  ['optimizer_type: Adafactor', 'optimizer_type', 'prodigy'],
  ['mixed_precision: bf16', 'mixed_precision', 'fp16'],
  ['clip_skip: 2', 'clip_skip', 'want 1'],
  ['network_module: lycoris.kohya', 'network_module', 'want networks.lora'],
  ['lora_rank: 8\nnetwork_dim: 16', 'network_dim', 'lora_rank'],
  ['target_modules: [q_proj, v_proj]', 'target_modules', 'attention+ff'],
  ['sample_prompts: [a, b, c, d, e]', 'sample_prompts', '<=4'],
])('%j is refused, naming %s', (text, param, words) => {
  const refused = () => settings(text);
  expect(refused).toThrow(expect.objectContaining({ code: 'bad_settings', param }));
  expect(refused).toThrow(words);
});

test('sections do not matter: lora-scripts’ own default, but for what cannot be had here', () => {
  const { file, ignored } = read(`
model: { v2: false, pretrained_model_name_or_path: ./model }
dataset: { train_data_dir: ./data, reg_data_dir: "", shuffle_caption: true, enable_bucket: true, cache_latents: true }
additional_network: { network_dim: 32, network_alpha: 16, network_module: networks.lora, network_args: [] }
optimizer: { unet_lr: 1e-4, text_encoder_lr: 1e-5, optimizer_type: AdamW8bit, lr_scheduler: cosine_with_restarts, lr_restart_cycles: 1 }
training: { resolution: "512,512", train_batch_size: 1, max_train_epochs: 10, noise_offset: 0.0, lowram: false }
sample_prompt: { sample_sampler: euler_a, sample_every_n_epochs: 1 }
saving: { output_name: output_name, save_every_n_epochs: 1, save_n_epoch_ratio: 0, save_last_n_epochs: 499, output_dir: ./out }
others: { min_bucket_reso: 256, max_bucket_reso: 1024, caption_extension: .txt, seed: 1337 }
`);
  expect(file).toMatchObject({ ...places, rank: 32, optimizer: 'adamw', lr_scheduler_num_cycles: 1, epochs: 10 });
  expect(file).toMatchObject({ save_every_n_epochs: 1, sample_every_n_epochs: 1, text_encoder_lr: 1e-5, seed: 1337 });
  expect(ignored).toContain('save_last_n_epochs');
});

test('everything that is wrong is said at once', () => {
  const refused = () => read('base_model: ./model\noutput_dir: ./out\nrnak: 8\nbatch_size: 0');
  expect(refused).toThrow(/rnak: unknown.*\n.*train_data_dir: missing; want the folder.*\nbatch_size: /s);
  expect(() => read('just words')).toThrow(expect.objectContaining({ code: 'bad_settings', param: null }));
});
