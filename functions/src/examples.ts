import type {
  AuditEntry,
  BatchEstimate,
  BatchRequestInput,
  BatchView,
  DeliveryRecord,
  FileRequest,
  FileUpload,
  FileView,
  Finding,
  ImageRequestInput,
  ImageView,
  LoraChange,
  LoraImport,
  LoraRecord,
  LoraReport,
  LoraVersion,
  LoraView,
  Model,
  TrainingCheck,
  TrainingEvent,
  TrainingRecord,
  TrainingRequestInput,
  TrainingView,
  WebhookSecret,
} from '@loraloom/jobs';
import type { z } from 'zod';
import type { ApiKey } from './api-key.ts';
import type { keyRequestSchema } from './keys.ts';
import type { tokenRequestSchema } from './token.ts';
import type { tokenSchema } from './tokens.ts';
import type { Usage } from './usage.ts';

// What the API's description shows: one small story, from the first picture to the first result. A test holds every
// example against its schema.

const sha256 = '039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81';
const signed = 'X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=900&X-Amz-Signature=…';

const fileRequest: FileRequest = { name: 'apple.png', content_type: 'image/png', size_bytes: 48213, sha256 };
const file: FileView = {
  id: 'file_7yt09zhw3gq8m5tr1vkd2xcfaj',
  object: 'file',
  ...fileRequest,
  created_at: '2026-11-24T09:00:00.000Z',
  uploaded: true,
};
const fileUpload: FileUpload = {
  ...file,
  uploaded: false,
  upload: {
    method: 'PUT',
    url: `https://s3.eu-central-1.amazonaws.com/loraloom/tenants/acme/files/${file.id}/content?${signed}`,
    headers: { 'content-type': 'image/png', 'x-amz-checksum-sha256': 'A5BYxvLAy0ksUzsKTRTvd8wPeKvMztUofYShogEc+4E=' },
    expires_at: '2026-11-24T09:15:00.000Z',
  },
};

const trainingRequest: TrainingRequestInput = {
  model: 'emoji',
  name: 'my-style',
  files: [{ file_id: file.id, caption: 'red apple, blue background' }],
  steps: 400,
};
const finding: Finding = {
  code: 'picture_small',
  severity: 'warning',
  file: { index: 0, name: 'apple.png' },
  message: '96 × 96 pixels: less than the resolution 128, so that blur is learnt',
  what_to_do: 'use a larger picture or a lower resolution',
};
const checkpoint = { step: 100, loss: 0.0912, validation_loss: 0.1034, size_bytes: 812_344, sha256 };
const sample = { step: 100, index: 0, prompt: 'red apple, white background' };
const training: TrainingRecord = {
  id: 'trn_7yt09zhw2k0j6e9s4w8n5b3mdq',
  object: 'training',
  status: 'running',
  cancel_requested: false,
  created_at: '2026-11-24T09:01:00.000Z',
  started_at: '2026-11-24T09:01:01.000Z',
  finished_at: null,
  attempts: 1,
  progress: { step: 120, total_steps: 400, loss: 0.0831, seconds_left: 84 },
  error: null,
  trace: { request_id: '5c4c7f04-0c3c-4b0e-9a51-c8b1f0a6a4a7' },
  warnings: [finding],
  checkpoints: [checkpoint],
  best_step: 100,
  samples: [sample],
  request: {
    model: 'emoji',
    name: 'my-style',
    files: [{ file_id: file.id, caption: 'red apple, blue background' }],
    rank: 8,
    alpha: 8,
    targets: 'attention',
    train_text_encoder: false,
    steps: 400,
    batch_size: 4,
    gradient_accumulation_steps: 1,
    seed: 1234,
    resolution: 128,
    enable_bucket: false,
    flip_aug: false,
    shuffle_caption: false,
    keep_tokens: 0,
    caption_dropout: 0,
    prior_files: [],
    prior_loss_weight: 1,
    optimizer: 'adamw',
    weight_decay: 0.01,
    learning_rate: 0.001,
    lr_scheduler: 'constant',
    lr_warmup_steps: 0,
    lr_scheduler_num_cycles: 1,
    noise_offset: 0,
    validation_split: 0,
    save_steps: 100,
    sample_prompts: [],
    sample_every_n_steps: 100,
    gradient_checkpointing: 'auto',
  },
  output: null,
};

const trainingCheck: TrainingCheck = {
  request: training.request,
  findings: [finding],
  estimate: { steps: 400, memory_bytes: 480_000_000, cpu_seconds: 40 },
};

const trainingFolder = `https://s3.eu-central-1.amazonaws.com/loraloom/tenants/acme/trainings/${training.id}`;
const trainingDetails: TrainingView = {
  ...training,
  checkpoints: [{ ...checkpoint, url: `${trainingFolder}/checkpoints/000100.safetensors?${signed}` }],
  samples: [{ ...sample, url: `${trainingFolder}/samples/000100-0.png?${signed}` }],
};
const trainingEvents: TrainingEvent[] = [
  { type: 'log', at: '2026-11-24T09:01:01.000Z', message: 'begun' },
  { type: 'step', at: '2026-11-24T09:01:03.000Z', step: 1, loss: 0.2841, learning_rate: 0.001 },
];

const loraVersion: LoraVersion = {
  name: 'my-style',
  object: 'lora',
  lora_id: 'lora_7yt09zhtzc1v6m2x9q4r8d0kea',
  model: 'emoji',
  rank: 8,
  alpha: 8,
  trigger_words: ['sks'],
  license: 'CC-BY-4.0',
  training_id: training.id,
  size_bytes: 812_344,
  sha256,
  diffusers: { size_bytes: 811_208, sha256 },
  created_at: '2026-11-24T09:03:00.000Z',
};
const lora: LoraRecord = { ...loraVersion, cover: null, cover_url: null, shared_with: ['partner'] };
const loraDownload: LoraView = {
  ...lora,
  url: `https://s3.eu-central-1.amazonaws.com/loraloom/tenants/acme/loras/my-style/${lora.lora_id}.safetensors?${signed}`,
  diffusers_url: `https://s3.eu-central-1.amazonaws.com/loraloom/tenants/acme/loras/my-style/${lora.lora_id}.diffusers.safetensors?${signed}`,
};

const loraFile: FileView = {
  ...file,
  id: 'file_7yt09zhx0d4n7q1w5t8r2m6kcv',
  name: 'my-style.safetensors',
  content_type: 'application/octet-stream',
  size_bytes: 812_344,
};
const loraReport: LoraReport = {
  object: 'lora.report',
  file_id: loraFile.id,
  size_bytes: loraFile.size_bytes,
  sha256,
  formats: ['kohya'],
  base: 'sd1',
  claimed_base: null,
  ranks: [8],
  alpha: 8,
  trigger_words: ['sks'],
  layers: { unet: { adapted: 192, of: 192 }, text: { adapted: 0, of: 72 }, further: { adapted: 0, of: 90 } },
  unsupported: null,
  problems: [],
};
const loraImport: LoraImport = { name: 'my-style', file_id: loraFile.id, model: 'emoji', license: 'CC-BY-4.0' };
const loraChange: LoraChange = { license: 'CC-BY-4.0', cover: { file_id: file.id } };

const model: Model = {
  name: 'emoji',
  object: 'model',
  family: 'sd1',
  resolution: 128,
  latent_factor: 8,
  default_steps: 25,
  default_guidance_scale: 4,
  default_sampler: 'ddim',
  files: [{ path: 'unet/diffusion_pytorch_model.safetensors', size_bytes: 17_600_000, sha256 }],
  license: 'Apache-2.0',
  description: 'Small emoji-like pictures on coloured backgrounds',
};

const imageRequest: ImageRequestInput = {
  model: 'emoji',
  prompt: 'red apple, blue background',
  loras: [{ name: 'my-style', weight: 0.8 }],
};
const settled = {
  model: 'emoji',
  prompt: 'red apple, blue background',
  negative_prompt: '',
  n: 1,
  width: 128,
  height: 128,
  steps: 25,
  guidance_scale: 4,
  sampler: 'ddim' as const,
  seed: 99,
  loras: [{ name: 'my-style', lora_id: loraVersion.lora_id, sha256, weight: 0.8 }],
};
const imageQueued: ImageView = {
  id: 'img_7yt09zhtwq5d3r8k1n6v0m9xcs',
  object: 'image',
  status: 'queued',
  cancel_requested: false,
  created_at: '2026-11-24T09:04:00.000Z',
  started_at: null,
  finished_at: null,
  attempts: 0,
  progress: { step: 0, total_steps: 25, loss: null, seconds_left: null },
  error: null,
  trace: { request_id: '5c4c7f04-0c3c-4b0e-9a51-c8b1f0a6a4a7' },
  request: settled,
  output: null,
  urls: {
    self: '/v1/images/img_7yt09zhtwq5d3r8k1n6v0m9xcs',
    cancel: '/v1/images/img_7yt09zhtwq5d3r8k1n6v0m9xcs/cancel',
    poll: `https://s3.eu-central-1.amazonaws.com/loraloom/tenants/acme/images/img_7yt09zhtwq5d3r8k1n6v0m9xcs/record.json?${signed}`,
  },
  queue_position: 3,
  estimated_seconds: 6,
};
const image: ImageView = {
  ...imageQueued,
  status: 'succeeded',
  started_at: '2026-11-24T09:04:00.500Z',
  finished_at: '2026-11-24T09:04:02.000Z',
  attempts: 1,
  progress: { step: 25, total_steps: 25, loss: null, seconds_left: 0 },
  queue_position: null,
  estimated_seconds: null,
  output: {
    images: [
      {
        index: 0,
        seed: 99,
        width: 128,
        height: 128,
        content_type: 'image/png',
        sha256,
        url: `https://s3.eu-central-1.amazonaws.com/loraloom/pictures/acme/${imageQueued.id}/0.png?${signed}`,
        receipt: {
          model: 'emoji',
          model_digest: sha256,
          loras: [{ name: 'my-style', lora_id: loraVersion.lora_id, digest: sha256, weight: 0.8 }],
          seed: 99,
          sampler: 'ddim',
          steps: 25,
          guidance_scale: 4,
          width: 128,
          height: 128,
          prompt: settled.prompt,
          negative_prompt: '',
          engine_version: '0.1.0',
        },
      },
    ],
  },
};

const generation = { prompt: 'red apple, blue background', model: 'emoji+my-style:0.8', size: '256x256', n: 1 };
const generated = {
  created: 1_795_597_440,
  data: [{ url: image.output?.images[0]?.url }],
  id: image.id,
};
const generate = { prompt: 'red apple, blue background', lora_name: 'my-style', strength: 0.8, steps: 25 };
const openaiFile = {
  id: file.id,
  object: 'file' as const,
  bytes: file.size_bytes,
  created_at: 1_795_597_200,
  filename: file.name,
  purpose: 'vision',
  status: 'processed' as const,
};

const keyRequest: z.input<typeof keyRequestSchema> = { name: 'shop backend', scopes: ['images'] };
const key: ApiKey = {
  id: 'key_7yt09zhtwm4c8v1r6q3n0x5jds',
  object: 'key',
  name: 'shop backend',
  scopes: ['images'],
  created_at: '2026-11-24T08:59:00.000Z',
  expires_at: null,
};
const newKey = { ...key, key: `ll_${sha256}1b2c3d4e` };

const tokenRequest: z.input<typeof tokenRequestSchema> = {
  scopes: ['images'],
  loras: ['my-style'],
  quota: { pictures: 20 },
  minutes: 30,
};
const token: z.output<typeof tokenSchema> = {
  id: 'tok_7yt09zhtx2n6k0d4w9s3b8q1fe',
  object: 'token',
  token: 'llt_eyJhbGciOiJIUzI1NiIsInR5cCI6ImxvcmFsb29tLXRva2VuK2p3dCJ9.…',
  scopes: ['images'],
  loras: ['my-style'],
  quota: { pictures: 20 },
  expires_at: '2026-11-24T09:35:00.000Z',
};

const audit: AuditEntry = {
  id: 'aud_7yt09zhtx5q2m8b4c7r1n6v3da',
  object: 'audit',
  created_at: '2026-11-24T09:04:00.120Z',
  request_id: '5c4c7f04-0c3c-4b0e-9a51-c8b1f0a6a4a7',
  caller: key.id,
  ip: '198.51.100.7',
  method: 'POST',
  path: '/v1/images',
  status: 202,
  code: null,
  milliseconds: 38,
  model: 'emoji',
  loras: [{ name: 'my-style', weight: 0.8 }],
  prompt: 'red apple, blue background',
  negative_prompt: '',
  job: image.id,
  cost: { pictures: 1, training_steps: 0 },
};

const usage: Usage = {
  object: 'usage',
  month: '2026-11',
  resets_at: '2026-12-01T00:00:00.000Z',
  limits: {
    requests_per_minute: 6000,
    requests_per_minute_per_key: 1800,
    pictures_per_month: 100_000,
    training_steps_per_month: 2_000_000,
    unfinished_jobs: 200,
  },
  used: { pictures: 412, training_steps: 1600, unfinished_jobs: 3 },
};

const batchRequest: BatchRequestInput = {
  template: { custom_id: '{{sku}}', model: 'emoji', prompt: '{{name}}, white background', loras: [{ name: 'my-style' }] },
  csv_file_id: 'file_7yt09zhtp4c8k2w6r0n3v5m1xe',
  budget: { max_images: 5000 },
};
const batchEstimate: BatchEstimate = {
  object: 'batch_estimate',
  lines: 4999,
  images: 4999,
  estimated_gpu_seconds: 409.518,
  estimated_cost: 0.122855,
  currency: 'USD',
  invalid_lines: 1,
  refused_lines: 0,
  errors: [{ line: 17, code: 'invalid_request', message: 'prompt: want at least 1 character', param: 'prompt' }],
};
const batchValidating: BatchView = {
  id: 'batch_7yt09zhtm1q6x4d8n2k0w7r9vc',
  object: 'batch',
  status: 'validating',
  cancel_requested: false,
  created_at: '2026-11-24T09:05:00.000Z',
  started_at: null,
  finished_at: null,
  request: { ...batchRequest, dry_run: false },
  retry_of: null,
  request_counts: { total: 0, queued: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 },
  error: null,
  trace: { request_id: '0b7d9f4e-5a1c-4f0e-8a57-2b6c1d3e9f10' },
  errors: [],
  usage: { images: 0, estimated_gpu_seconds: 0, estimated_cost: 0, currency: 'USD' },
  output: null,
};
const batchUrl = `https://s3.eu-central-1.amazonaws.com/loraloom/tenants/acme/batches/${batchValidating.id}`;
const batch: BatchView = {
  ...batchValidating,
  status: 'succeeded',
  started_at: '2026-11-24T09:05:02.000Z',
  finished_at: '2026-11-24T09:13:00.000Z',
  request_counts: { total: 900, queued: 0, running: 0, succeeded: 899, failed: 1, canceled: 0 },
  usage: { images: 899, estimated_gpu_seconds: 73.646, estimated_cost: 0.022094, currency: 'USD' },
  output: {
    output_url: `${batchUrl}/output.jsonl?${signed}`,
    errors_url: `${batchUrl}/errors.jsonl?${signed}`,
    archives: [{ url: `${batchUrl}/0.zip?${signed}`, images: 899, size_bytes: 18_234_556 }],
  },
};

const webhookSecret: WebhookSecret = {
  object: 'webhook_secret',
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=',
  previous: null,
  created_at: '2026-11-24T09:00:00.000Z',
};
const delivery: DeliveryRecord = {
  id: 'whd_7yt09zhtv0c8r5n2k7w1m4x9qe',
  object: 'webhook_delivery',
  type: 'image.succeeded',
  subject_id: image.id,
  url: 'https://shop.example/hooks',
  status: 'pending',
  created_at: '2026-11-24T09:04:02.000Z',
  finished_at: null,
  attempts: 1,
  attempts_left: 9,
  next_attempt_at: '2026-11-24T09:04:14.000Z',
  last_attempt: { at: '2026-11-24T09:04:02.000Z', status: 503, error: null },
};

export const examples = {
  audit,
  generation,
  generated,
  generate,
  openaiFile,
  keyRequest,
  key,
  newKey,
  tokenRequest,
  token,
  usage,
  webhookSecret,
  delivery,
  batchRequest,
  batchEstimate,
  batchValidating,
  batch,
  fileRequest,
  file,
  fileUpload,
  trainingRequest,
  training,
  trainingDetails,
  trainingEvents,
  trainingCheck,
  loraVersion,
  lora,
  loraDownload,
  loraImport,
  loraChange,
  loraReport,
  model,
  imageRequest,
  imageQueued,
  image,
};
