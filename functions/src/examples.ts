import type {
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
  LoraRecord,
  LoraView,
  Model,
  TrainingCheck,
  TrainingEvent,
  TrainingRecord,
  TrainingRequestInput,
  TrainingView,
  WebhookSecret,
} from '@loraloom/jobs';

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

const lora: LoraRecord = {
  name: 'my-style',
  object: 'lora',
  lora_id: 'lora_7yt09zhtzc1v6m2x9q4r8d0kea',
  model: 'emoji',
  rank: 8,
  alpha: 8,
  trigger_word: null,
  training_id: training.id,
  size_bytes: 812_344,
  sha256,
  created_at: '2026-11-24T09:03:00.000Z',
};
const loraDownload: LoraView = {
  ...lora,
  url: `https://s3.eu-central-1.amazonaws.com/loraloom/tenants/acme/loras/my-style/${lora.lora_id}.safetensors?${signed}`,
};

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
  loras: [{ name: 'my-style', weight: 0.8 }],
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
  request: settled,
  output: null,
};
const image: ImageView = {
  ...imageQueued,
  status: 'succeeded',
  started_at: '2026-11-24T09:04:00.500Z',
  finished_at: '2026-11-24T09:04:02.000Z',
  attempts: 1,
  progress: { step: 25, total_steps: 25, loss: null, seconds_left: 0 },
  output: {
    images: [
      {
        index: 0,
        seed: 99,
        width: 128,
        height: 128,
        content_type: 'image/png',
        sha256,
        url: `https://s3.eu-central-1.amazonaws.com/loraloom/tenants/acme/images/${imageQueued.id}/0.png?${signed}`,
        receipt: {
          model: 'emoji',
          model_digest: sha256,
          loras: [{ name: 'my-style', digest: sha256, weight: 0.8 }],
          seed: 99,
          sampler: 'ddim',
          steps: 25,
          guidance_scale: 4,
          prompt: settled.prompt,
          negative_prompt: '',
          engine_version: '0.1.0',
        },
      },
    ],
  },
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
  lora,
  loraDownload,
  model,
  imageRequest,
  imageQueued,
  image,
};
