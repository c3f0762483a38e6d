import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { decodePicture, decodeSafetensors, encodePng } from '@loraloom/engine';
import {
  cancelJob,
  createFile,
  createImage,
  createTraining,
  deleteLora,
  type ImageRequestInput,
  imageRequestSchema,
  images,
  isFinal,
  keys,
  putRecord,
  readJob,
  readLoraName,
  readTrainingEvents,
  reproduceImage,
  reproductionSchema,
  shareLora,
  type TrainingRequestInput,
  trainingRequestSchema,
  trainings,
} from '@loraloom/jobs';
import { memoryBucket } from '@loraloom/jobs/bucket/memory';
import { memoryQueues } from '@loraloom/jobs/queue/memory';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readStored } from './loras.ts';
import type { Services } from './services.ts';
import { work } from './work.ts';

const tiny = fileURLToPath(new URL('../../packages/engine/fixtures/sd-tiny/model/', import.meta.url));
const tenant = 'acme';
const report = (error: unknown) => {
  throw error;
};

let services: Services & { queues: ReturnType<typeof memoryQueues> };
let lines: Record<string, unknown>[];
let running: { stop(): Promise<void> }[];

beforeEach(async () => {
  lines = [];
  running = [];
  services = {
    bucket: memoryBucket(),
    queues: memoryQueues(),
    modelsFolder: await mkdtemp(join(tmpdir(), 'loraloom-models-')),
    provider: 'cpu',
    slots: 4,
    visibilitySeconds: 30,
    maxVisibilitySeconds: 41_400,
    graceSeconds: 0,
    log: (line) => lines.push(line),
  };
  await registerTiny();
});
afterEach(async () => {
  for (const worker of running) await worker.stop();
  await rm(services.modelsFolder, { recursive: true });
});

async function registerTiny() {
  const files = [];
  for (const path of readdirSync(tiny, { recursive: true, encoding: 'utf8' }).filter((name) => /\.\w+$/.test(name))) {
    const bytes = new Uint8Array(readFileSync(join(tiny, path)));
    await services.bucket.put(keys.modelFile('tiny', path), bytes);
    files.push({ path, size_bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
  }
  await putRecord(services.bucket, keys.model('tiny'), {
    name: 'tiny',
    object: 'model',
    family: 'sd1',
    resolution: 64,
    latent_factor: 4,
    default_steps: 2,
    default_guidance_scale: 2,
    default_sampler: 'ddim',
    files,
    license: 'MIT',
    description: 'random weights',
  });
}

function startWorker() {
  const stop = new AbortController();
  const ended = work(services, ['trainings', 'images'], stop.signal);
  const worker = {
    async stop() {
      stop.abort();
      await ended;
    },
  };
  running.push(worker);
  return worker;
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (let i = 0; i < 600; i++) {
    const found = await look();
    if (found !== undefined) return found;
    await sleep(50);
  }
  throw new Error(`waited in vain; the log: ${JSON.stringify(lines)}`);
}

const finished = {
  image: (id: string) =>
    until(
      async () =>
        await readJob(services.bucket, images, tenant, id).then((job) => (job && isFinal(job.status) ? job : undefined)),
    ),
  training: (id: string) =>
    until(
      async () =>
        await readJob(services.bucket, trainings, tenant, id).then((job) => (job && isFinal(job.status) ? job : undefined)),
    ),
};

const asked = { model: 'tiny', prompt: 'a cat', seed: 1 };

const askImage = (request: Partial<ImageRequestInput> = {}) =>
  createImage({ ...services, report }, tenant, imageRequestSchema.parse({ ...asked, ...request }));

async function upload(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const { id } = await createFile(services.bucket, tenant, {
    name: 'a.png',
    content_type: 'image/png',
    size_bytes: bytes.length,
    sha256,
  });
  await services.bucket.put(keys.fileContent(tenant, id), bytes);
  return id;
}

const picture = (shade: number) =>
  encodePng({ width: 80, height: 64, data: new Uint8Array(80 * 64 * 3).map((_, i) => (i * shade) % 256) });

async function askTraining(request: Partial<TrainingRequestInput> = {}) {
  const files = request.files ?? [
    { file_id: await upload(new Uint8Array(await picture(3))), caption: 'stripes' },
    { file_id: await upload(new Uint8Array(await picture(7))), caption: 'dots' },
  ];
  const base = { model: 'tiny', name: 'stripes', rank: 2, steps: 4, batch_size: 2, seed: 3 };
  return createTraining({ ...services, report }, tenant, trainingRequestSchema.parse({ ...base, ...request, files }));
}

it('makes pictures, and the same ones again', async () => {
  startWorker();
  const { id } = await askImage({ n: 2 });
  const job = await finished.image(id);
  expect(job).toMatchObject({ status: 'succeeded', attempts: 1, progress: { step: 4, total_steps: 4 } });
  const [first, second] = job.output?.images ?? [];
  expect([first?.seed, second?.seed]).toEqual([1, 2]);
  expect(first?.sha256).not.toBe(second?.sha256);
  const png = await services.bucket.getBytes(first?.key ?? '');
  expect(
    createHash('sha256')
      .update(png?.bytes ?? '')
      .digest('hex'),
  ).toBe(first?.sha256);
  expect(await decodePicture(png?.bytes ?? new Uint8Array())).toMatchObject({ width: 64, height: 64 });
  expect(first?.receipt).toMatchObject({ model: 'tiny', seed: 1, steps: 2, sampler: 'ddim', loras: [] });
  const again = await finished.image((await askImage({ n: 2 })).id);
  expect(again.output?.images.map(({ sha256 }) => sha256)).toEqual([first?.sha256, second?.sha256]);
});

it('trains a LoRA that then changes pictures', async () => {
  startWorker();
  const job = await finished.training((await askTraining({ learning_rate: 0.05 })).id);
  expect(job).toMatchObject({ status: 'succeeded', error: null, progress: { step: 4, total_steps: 4, seconds_left: 0 } });
  const lora = (await readLoraName(services.bucket, tenant, 'stripes'))?.latest;
  expect(lora).toMatchObject({ model: 'tiny', rank: 2, training_id: job.id, sha256: job.output?.lora.sha256 });
  // The checkpoint has served its purpose.
  expect(await services.bucket.head(keys.checkpoint(tenant, job.id))).toBeUndefined();
  const plain = await finished.image((await askImage()).id);
  const styled = await finished.image((await askImage({ loras: [{ name: 'stripes', weight: 2 }] })).id);
  expect(styled.output?.images[0]?.receipt.loras[0]).toMatchObject({ name: 'stripes', weight: 2 });
  expect(styled.output?.images[0]?.sha256).not.toBe(plain.output?.images[0]?.sha256);
});

it('paints with the version that was asked for, and refuses a file that is not the one registered', async () => {
  startWorker();
  await finished.training((await askTraining({ learning_rate: 0.05 })).id);
  const pinned = await askImage({ loras: [{ name: 'stripes', weight: 2 }] });
  await finished.training((await askTraining({ learning_rate: 0.05, seed: 4 })).id);
  const [older, latest] = await Promise.all([finished.image(pinned.id), askImage({ loras: [{ name: 'stripes', weight: 2 }] })]);
  expect(pinned.request.loras[0]?.lora_id).not.toBe(latest.request.loras[0]?.lora_id);
  expect(older.output?.images[0]?.receipt.loras).toEqual([
    { name: 'stripes', lora_id: pinned.request.loras[0]?.lora_id, digest: pinned.request.loras[0]?.sha256, weight: 2 },
  ]);
  expect((await finished.image(latest.id)).output?.images[0]?.sha256).not.toBe(older.output?.images[0]?.sha256);
  // The older version by its name, as another tenant that it is shared with
  await shareLora(services.bucket, tenant, 'stripes', 'guest', true);
  const name = `${tenant}/stripes@${pinned.request.loras[0]?.lora_id}`;
  const request = imageRequestSchema.parse({ ...asked, loras: [{ name, weight: 2 }] });
  const { id } = await createImage({ ...services, report }, 'guest', request);
  const shared = await until(async () => {
    const job = await readJob(services.bucket, images, 'guest', id);
    return job && isFinal(job.status) ? job : undefined;
  });
  // Only the receipts in them differ, by the owner's name.
  expect(await pixels(shared.output?.images[0]?.key ?? '')).toEqual(await pixels(older.output?.images[0]?.key ?? ''));

  const { lora_id = '' } = (await readLoraName(services.bucket, tenant, 'stripes'))?.latest ?? {};
  const key = keys.loraWeights(tenant, 'stripes', lora_id);
  const bytes = (await services.bucket.getBytes(key))?.bytes ?? new Uint8Array();
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  await services.bucket.put(key, bytes);
  // A worker that has not read it yet
  for (const worker of running.splice(0)) await worker.stop();
  startWorker();
  expect(await finished.image((await askImage({ loras: [{ name: 'stripes' }] })).id)).toMatchObject({
    status: 'failed',
    error: { code: 'lora_damaged', param: 'loras.0.name' },
  });
}, 60_000);

it('trains with every option that a request has', async () => {
  startWorker();
  const job = await finished.training(
    (
      await askTraining({
        name: 'thorough',
        files: [
          { file_id: await upload(new Uint8Array(await picture(3))), caption: 'stripes', repeats: 3 },
          { file_id: await upload(new Uint8Array(await picture(7))), caption: 'dots' },
        ],
        targets: 'attention+ff+conv',
        optimizer: 'lion',
        lr_scheduler: 'cosine',
        lr_warmup_steps: 1,
        max_grad_norm: 1,
        min_snr_gamma: 5,
        noise_offset: 0.05,
        caption_dropout: 0.1,
        learning_rate: 0.05,
        enable_bucket: true,
        flip_aug: true,
        shuffle_caption: true,
        keep_tokens: 1,
        trigger_word: 'stripy',
        gradient_accumulation_steps: 2,
        ema_decay: 0.5,
        train_text_encoder: true,
        text_encoder_lr: 0.01,
        prior_files: [{ file_id: await upload(new Uint8Array(await picture(11))), caption: 'a thing' }],
        gradient_checkpointing: true,
        mixed_precision: 'fp16',
      })
    ).id,
  );
  expect(job).toMatchObject({ status: 'succeeded', error: null });
  const record = (await readLoraName(services.bucket, tenant, 'thorough'))?.latest;
  const file = await services.bucket.getBytes(keys.loraWeights(tenant, 'thorough', record?.lora_id ?? ''));
  // The file for diffusers is another with the same numbers, and the record says so.
  const other = await services.bucket.getBytes(keys.loraDiffusers(tenant, 'thorough', record?.lora_id ?? ''));
  const sha256 = createHash('sha256')
    .update(other?.bytes ?? '')
    .digest('hex');
  expect(record?.diffusers).toEqual({ size_bytes: other?.size, sha256 });
  expect(job.output?.lora.diffusers).toEqual(record?.diffusers);
  const renamed = await readStored(services.bucket, keys.loraDiffusers(tenant, 'thorough', record?.lora_id ?? ''));
  const kohya = await readStored(services.bucket, keys.loraWeights(tenant, 'thorough', record?.lora_id ?? ''));
  expect(renamed?.modules.size).toBeGreaterThan(20);
  expect(renamed?.modules).toEqual(kohya?.modules);
  const { metadata, tensors } = decodeSafetensors(file?.bytes ?? new Uint8Array());
  expect(metadata).toMatchObject({
    ss_lr_scheduler: 'cosine',
    ss_min_snr_gamma: '5',
    ss_noise_offset: '0.05',
    ss_enable_bucket: 'True',
    ss_text_encoder_lr: '0.01',
    ss_gradient_accumulation_steps: '2',
    ss_num_reg_images: '1',
    ss_num_train_images: '4',
    ss_tag_frequency: JSON.stringify({ '3_thorough': { stripy: 1, stripes: 1 }, '1_thorough': { stripy: 1, dots: 1 } }),
    'modelspec.trigger_phrase': 'stripy',
  });
  expect(tensors.get('lora_unet_down_blocks_0_resnets_0_conv1.lora_down.weight')?.shape.slice(2)).toEqual([3, 3]);
  const plain = await finished.image((await askImage()).id);
  const styled = await finished.image((await askImage({ loras: [{ name: 'thorough', weight: 2 }] })).id);
  expect(styled).toMatchObject({ status: 'succeeded' });
  expect(styled.output?.images[0]?.sha256).not.toBe(plain.output?.images[0]?.sha256);
});

it('keeps checkpoints, tells which is best, paints samples, and tells what happens', async () => {
  startWorker();
  const files = await Promise.all(
    [3, 7, 9].map(async (shade) => ({ file_id: await upload(new Uint8Array(await picture(shade))), caption: 'stripes' })),
  );
  const asked = {
    files,
    steps: 6,
    save_steps: 2,
    validation_split: 0.34,
    sample_prompts: ['a cat', 'a dog'],
    learning_rate: 0.05,
  };
  const job = await finished.training((await askTraining({ ...asked, sample_every_n_steps: 3 })).id);
  expect(job).toMatchObject({ status: 'succeeded', error: null });
  expect(job.checkpoints.map(({ step }) => step)).toEqual([2, 4, 6]);
  const losses = job.checkpoints.map(({ validation_loss }) => validation_loss ?? Number.NaN);
  expect(job.best_step).toBe(2 * (1 + losses.indexOf(Math.min(...losses))));
  for (const { step, sha256, size_bytes } of job.checkpoints) {
    const file = await services.bucket.getBytes(keys.checkpointLora(tenant, job.id, step));
    expect(
      createHash('sha256')
        .update(file?.bytes ?? '')
        .digest('hex'),
    ).toBe(sha256);
    expect(file?.size).toBe(size_bytes);
    expect(decodeSafetensors(file?.bytes ?? new Uint8Array()).metadata).toMatchObject({
      ss_steps: `${step}`,
      ss_max_train_steps: '6',
    });
  }
  // The last checkpoint is the result.
  expect(job.checkpoints.at(-1)?.sha256).toBe(job.output?.lora.sha256);
  expect(new Set(job.checkpoints.map(({ sha256 }) => sha256)).size).toBe(3);

  expect(job.samples.map(({ step, index, prompt }) => [step, index, prompt])).toEqual([
    [3, 0, 'a cat'],
    [3, 1, 'a dog'],
    [6, 0, 'a cat'],
    [6, 1, 'a dog'],
  ]);
  const painted = await Promise.all(
    job.samples.map(async ({ step, index }) => {
      const { bytes } = (await services.bucket.getBytes(keys.sample(tenant, job.id, step, index))) ?? expect.unreachable();
      return decodePicture(bytes);
    }),
  );
  for (const { width, height } of painted) expect([width, height]).toEqual([64, 64]);
  expect(painted[0]?.data).not.toEqual(painted[2]?.data);

  const { events, next } = await readTrainingEvents(services.bucket, tenant, job.id);
  const steps = events.flatMap((event) => (event.type === 'step' ? [event] : []));
  expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(new Set(steps.map(({ learning_rate }) => learning_rate))).toEqual(new Set([0.05]));
  expect(events.flatMap((event) => (event.type === 'checkpoint' ? [event.validation_loss] : []))).toEqual(losses);
  expect(events.filter(({ type }) => type === 'sample').length).toBe(4);
  expect(events.at(-1)).toMatchObject({ type: 'log', message: 'succeeded' });
  expect(await readTrainingEvents(services.bucket, tenant, job.id, next ?? '')).toEqual({ events: [], next });

  // Trained on from the best: at next to no learning rate it is what it was.
  const on = { steps: 1, learning_rate: 1e-30, weight_decay: 0 };
  const continued = await finished.training(
    (await askTraining({ ...on, name: 'on', continue_from: { training_id: job.id } })).id,
  );
  const weightsOf = async (key: string) =>
    decodeSafetensors((await services.bucket.getBytes(key))?.bytes ?? new Uint8Array()).tensors;
  const record = (await readLoraName(services.bucket, tenant, 'on'))?.latest;
  expect(await weightsOf(keys.loraWeights(tenant, 'on', record?.lora_id ?? ''))).toEqual(
    await weightsOf(keys.checkpointLora(tenant, job.id, job.best_step ?? 0)),
  );
  expect(continued.status).toBe('succeeded');
  const finalLora = await finished.training((await askTraining({ ...on, name: 'more', continue_from: { lora: 'stripes' } })).id);
  expect(finalLora.checkpoints[0]?.sha256).toBeDefined();
  expect(await weightsOf(keys.checkpointLora(tenant, finalLora.id, 1))).toEqual(
    await weightsOf(keys.checkpointLora(tenant, job.id, 6)),
  );
  const none = await finished.training((await askTraining({ ...on, continue_from: { training_id: job.id, step: 5 } })).id);
  expect(none).toMatchObject({ status: 'failed', error: { code: 'unknown_checkpoint', param: 'continue_from.step' } });
});

it('fails a training on a picture that cannot be decoded, once, and says which', async () => {
  startWorker();
  const good = await upload(new Uint8Array(await picture(3)));
  const torn = new Uint8Array(await picture(5));
  // Between its header and its end, which are all that was looked at when the training was asked for.
  torn.fill(0, 100, torn.length - 100);
  const bad = await upload(torn);
  const { id } = await askTraining({
    files: [
      { file_id: good, caption: 'a' },
      { file_id: bad, caption: 'b' },
    ],
  });
  expect(await finished.training(id)).toMatchObject({
    status: 'failed',
    attempts: 1,
    error: { code: 'picture_damaged', param: 'files.1.file_id', message: expect.stringContaining(bad) },
  });
});

it('tells of pictures that look alike, though they are stored otherwise, and reads each once', async () => {
  const reads: string[] = [];
  const { bucket } = services;
  services.bucket = {
    ...bucket,
    getBytes(key, options) {
      if (key.endsWith('/content')) reads.push(key);
      return bucket.getBytes(key, options);
    },
  };
  startWorker();
  const one = { width: 80, height: 64, data: new Uint8Array(80 * 64 * 3).map((_, i) => (i * 3) % 256) };
  const other = { ...one, data: one.data.map((value) => Math.min(255, value + 1)) };
  const ids = await Promise.all([one, other].map(async (each) => upload(new Uint8Array(await encodePng(each)))));
  const { id } = await askTraining({
    files: [...ids, await upload(new Uint8Array(await picture(7)))].map((file_id) => ({ file_id, caption: 'a' })),
  });
  // Those of the preflight
  reads.length = 0;
  const { status, warnings } = await finished.training(id);
  expect(status).toBe('succeeded');
  expect(warnings.map(({ code, file }) => [code, file?.index])).toEqual([
    ['few_steps', undefined],
    ['near_duplicate_picture', 1],
  ]);
  expect(new Set(reads).size).toBe(3);
  expect(reads.length).toBe(3);
});

it('makes a picture that is not square', async () => {
  startWorker();
  const { id } = await askImage({ width: 72, height: 64 });
  expect((await finished.image(id)).status).toBe('succeeded');
});

it('does nothing for a message that comes again after its job has ended', async () => {
  startWorker();
  const { id } = await askImage();
  const job = await finished.image(id);
  await services.queues.images.send(JSON.stringify({ kind: 'image', tenant, id }));
  const next = await finished.image((await askImage({ seed: 9 })).id);
  expect(next.status).toBe('succeeded');
  expect(await readJob(services.bucket, images, tenant, id)).toEqual(job);
});

it('stops a training that is canceled while it runs', async () => {
  startWorker();
  const { id } = await askTraining({ steps: 5000 });
  await until(async () => ((await readJob(services.bucket, trainings, tenant, id))?.progress.step ?? 0) > 0 || undefined);
  await cancelJob(services.bucket, trainings, tenant, id);
  expect(await finished.training(id)).toMatchObject({ status: 'canceled', output: null });
  expect((await finished.image((await askImage()).id)).status).toBe('succeeded');
});

it('hands a training over when it is told to stop, and the next worker ends with the same weights', async () => {
  const undisturbed = startWorker();
  const steps = 24;
  const whole = await finished.training((await askTraining({ steps, name: 'whole' })).id);
  await undisturbed.stop();
  const first = startWorker();
  const { id } = await askTraining({ steps, name: 'halved' });
  await until(async () => ((await readJob(services.bucket, trainings, tenant, id))?.progress.step ?? 0) > 0 || undefined);
  await first.stop();
  expect(await readJob(services.bucket, trainings, tenant, id)).toMatchObject({ status: 'running', attempts: 1 });
  expect((await services.bucket.head(keys.checkpoint(tenant, id)))?.size).toBeGreaterThan(1000);
  startWorker();
  const halved = await finished.training(id);
  expect(halved).toMatchObject({ status: 'succeeded', attempts: 2 });
  const weights = async (name: string, loraId = '') => {
    const bytes = (await services.bucket.getBytes(keys.loraWeights(tenant, name, loraId)))?.bytes ?? new Uint8Array();
    return createHash('sha256')
      .update(bytes.subarray(8 + Number(new DataView(bytes.buffer).getBigUint64(0, true))))
      .digest('hex');
  };
  expect(await weights('halved', halved.output?.lora.lora_id)).toBe(await weights('whole', whole.output?.lora.lora_id));
}, 60_000);

it('fails what comes too late or takes too long, says which, and goes on', async () => {
  const late = await askImage({ start_deadline_seconds: 1 });
  await sleep(1100);
  startWorker();
  const long = await askImage({ steps: 150, n: 4, run_deadline_seconds: 1 });
  expect(await finished.image(late.id)).toMatchObject({
    status: 'failed',
    attempts: 0,
    started_at: null,
    error: { code: 'start_deadline_exceeded' },
  });
  expect(await finished.image(long.id)).toMatchObject({
    status: 'failed',
    output: null,
    error: { code: 'run_deadline_exceeded' },
  });
  services.pictureDays = 30;
  const next = await finished.image((await askImage()).id);
  const kept = Date.parse(next.output?.expires_at ?? '') - Date.parse(next.finished_at ?? '');
  expect(Math.abs(kept - 30 * 86_400_000)).toBeLessThan(60_000);
});

it('makes pictures from pictures, and keeps what a mask keeps', async () => {
  startWorker();
  const photo = await picture(3);
  const [image, mask, text] = await Promise.all([
    upload(new Uint8Array(photo)),
    // Its right half is white.
    upload(
      new Uint8Array(
        await encodePng({
          width: 64,
          height: 64,
          data: new Uint8Array(64 * 64 * 3).map((_, i) => ((i / 3) % 64 < 32 ? 0 : 255)),
        }),
      ),
    ),
    upload(new TextEncoder().encode('not a picture')),
  ]);
  const job = await finished.image((await askImage({ image, mask, steps: 4, sampler: 'euler_a' })).id);
  expect(job).toMatchObject({ status: 'succeeded', progress: { step: 4, total_steps: 4 } });
  const [made] = job.output?.images ?? [];
  expect(made?.receipt.image).toMatchObject({ strength: 1, mask_sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
  // What the worker began with: the middle of the 80 × 64 picture
  const original = await decodePicture(photo);
  const middle = (i: number) => original.data[3 * (Math.floor(i / 192) * 80 + 8) + (i % 192)] ?? 0;
  const data = await pixels(made?.key ?? '');
  const differences = data.map((value, i) => Math.abs(value - middle(i)));
  const half = (left: boolean) => Math.max(...differences.filter((_, i) => (i / 3) % 64 < 32 === left));
  expect([data.length, half(true)]).toEqual([64 * 64 * 3, 0]);
  expect(half(false)).toBeGreaterThan(20);

  // Half the steps, as the strength says
  const partly = await finished.image((await askImage({ image, image_strength: 0.5, steps: 8 })).id);
  expect(partly).toMatchObject({ status: 'succeeded', progress: { step: 4, total_steps: 4 } });
  const failed = await finished.image((await askImage({ image: text })).id);
  expect(failed).toMatchObject({ status: 'failed', error: { code: 'not_a_picture', param: 'image' } });
});

it('puts a receipt into the picture, with which it can be made again, to the bit', async () => {
  startWorker();
  await finished.training((await askTraining({ learning_rate: 0.05 })).id);
  const photo = await upload(new Uint8Array(await picture(5)));
  const first = await finished.image(
    (
      await askImage({
        prompt: 'a cat „draußen“, 猫',
        negative_prompt: 'dogs',
        n: 2,
        loras: [{ name: 'stripes', weight: 0.8, text_weight: 0.5 }],
        image: photo,
        steps: 6,
        sampler: 'euler_a',
        width: 72,
      })
    ).id,
  );
  const made = first.output?.images[1];
  const bytes = (await services.bucket.getBytes(made?.key ?? ''))?.bytes ?? new Uint8Array();
  const { parameters = '', loraloom = '' } = Object.fromEntries(textsOf(bytes));
  const lora = made?.receipt.loras[0];
  expect(parameters.split('\n')).toEqual([
    'a cat „draußen“, 猫 <lora:stripes:0.5:0.8>',
    'Negative prompt: dogs',
    `Steps: 6, Sampler: Euler a, CFG scale: 2, Seed: 2, Size: 72x64, Model: tiny, Denoising strength: 0.6, Hashes: {"lora:stripes":"${lora?.digest.slice(0, 10)}"}, Version: loraloom ${made?.receipt.engine_version}`,
  ]);
  const receipt = JSON.parse(loraloom);
  expect(receipt).toEqual(made?.receipt);
  const beside = await services.bucket.getBytes(keys.receipt(tenant, first.id, 1));
  expect(JSON.parse(new TextDecoder().decode(beside?.bytes))).toEqual(receipt);

  // The name moves on, and is even deleted: the receipt means the version that it names.
  await finished.training((await askTraining({ learning_rate: 0.05, seed: 4 })).id);
  await deleteLora(services.bucket, tenant, 'stripes');
  const again = await reproduceImage({ ...services, report }, tenant, reproductionSchema.parse({ receipt }));
  const copy = (await finished.image(again.id)).output?.images;
  expect(copy?.map(({ seed, sha256 }) => ({ seed, sha256 }))).toEqual([{ seed: 2, sha256: made?.sha256 }]);
  expect(await pixels(copy?.[0]?.key ?? '')).toEqual(await pixels(made?.key ?? ''));
}, 60_000);

it('makes a burst of unlike requests together, each as if it were alone', async () => {
  const requests: Partial<ImageRequestInput>[] = [
    { prompt: 'a cat', seed: 1, steps: 40 },
    { prompt: 'a dog', seed: 2, steps: 3, sampler: 'euler' },
    { prompt: 'a red sofa', seed: 3, n: 2, guidance_scale: 1 },
    { prompt: 'mountains', seed: 4, width: 96, height: 32 },
    { prompt: 'a cat', seed: 5 },
  ];
  const digestsOf = (job: Awaited<ReturnType<typeof finished.image>>) => job.output?.images.map(({ sha256 }) => sha256);
  const burst = await Promise.all(requests.map(askImage));
  const worker = startWorker();
  const together = await Promise.all(burst.map(({ id }) => finished.image(id)));
  expect(together.map(({ status }) => status)).toEqual(requests.map(() => 'succeeded'));
  // The long one began before the others and ended after the last: they joined the batch that it was in.
  const ends = together.map(({ finished_at }) => finished_at ?? '');
  expect(ends.toSorted().at(-1)).toBe(ends[0]);
  await worker.stop();

  services.slots = 1;
  startWorker();
  for (const [i, request] of requests.entries()) {
    const alone = await finished.image((await askImage(request)).id);
    expect(digestsOf(alone)?.length).toBe(request.n ?? 1);
    if (JSON.stringify(digestsOf(alone)) !== JSON.stringify(digestsOf(together[i] ?? alone))) {
      // Sums in another order may turn a value's last bit, and so a pixel by one.
      for (const [j, { key }] of (alone.output?.images ?? []).entries()) {
        const [one, other] = await Promise.all([key, together[i]?.output?.images[j]?.key ?? ''].map(pixels));
        expect(Math.max(...(one ?? []).map((value, k) => Math.abs(value - (other?.[k] ?? 999))))).toBeLessThanOrEqual(1);
      }
    }
  }
});

async function pixels(key: string): Promise<number[]> {
  const found = await services.bucket.getBytes(key);
  return found ? [...(await decodePicture(found.bytes)).data] : [];
}

/** The texts of a PNG file, every checksum of it looked at; the polynomial as PNG's annex D has it. */
function textsOf(png: Uint8Array): [string, string][] {
  const view = new DataView(png.buffer, png.byteOffset);
  const texts: [string, string][] = [];
  for (let at = 8; at < png.length; ) {
    const length = view.getUint32(at);
    const checked = png.subarray(at + 4, at + 8 + length);
    let crc = 0xffffffff;
    for (const byte of checked) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
    }
    expect(view.getUint32(at + 8 + length)).toBe((crc ^ 0xffffffff) >>> 0);
    const type = String.fromCharCode(...checked.subarray(0, 4));
    const data = checked.subarray(4);
    const keyword = new TextDecoder().decode(data.subarray(0, data.indexOf(0)));
    if (type === 'tEXt') texts.push([keyword, new TextDecoder('latin1').decode(data.subarray(keyword.length + 1))]);
    if (type === 'iTXt') texts.push([keyword, new TextDecoder().decode(data.subarray(keyword.length + 5))]);
    at += 12 + length;
  }
  return texts;
}
