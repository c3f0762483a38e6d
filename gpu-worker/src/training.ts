import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Example, type Lora, type Pipeline, readLora, trainLora, writeKohya } from '@loraloom/engine';
import {
  type Bucket,
  createRecord,
  idTime,
  keys,
  type LoraRecord,
  loraRecordSchema,
  type TrainingRecord,
  trainings,
  updateRecord,
} from '@loraloom/jobs';
import { type Attempt, attempt } from './attempt.ts';
import { lookOver } from './look-over.ts';
import type { Models } from './models.ts';
import { readPicture } from './pictures.ts';
import type { Services } from './services.ts';

/** Seconds between two checkpoints: what a crash costs at most. */
const checkpointSeconds = 20;

/** Trains a LoRA, going on from its checkpoint where an earlier attempt left one. */
export function trainingHandler(services: Services, models: Models) {
  return (job: { tenant: string; id: string }, stop: AbortSignal) =>
    attempt(services, trainings, job, stop, (begun) => train(services, models, begun));
}

async function train(services: Services, models: Models, attempt: Attempt<TrainingRecord>) {
  const { bucket, log } = services;
  const { tenant, record, signal, report } = attempt;
  const { request, id } = record;
  const checkpointKey = keys.checkpoint(tenant, id);
  const kept = await bucket.getBytes(checkpointKey);
  if (!kept) await lookOver(services, attempt);
  const { pipeline, digest } = await models.open(request.model);
  const examples = await readExamples(bucket, tenant, request, pipeline, signal);
  const training = {
    examples,
    rank: request.rank,
    alpha: request.alpha,
    learningRate: request.learning_rate,
    optimizer: request.optimizer,
    steps: request.steps,
    batchSize: request.batch_size,
    seed: request.seed,
    targets: request.targets,
    trainTextEncoder: request.train_text_encoder,
    schedule: request.lr_scheduler,
    warmup: request.lr_warmup_steps,
    noiseOffset: request.noise_offset,
    captionDropout: request.caption_dropout,
    ...(request.max_grad_norm === undefined ? {} : { maxGradientNorm: request.max_grad_norm }),
    ...(request.min_snr_gamma === undefined ? {} : { minSnrGamma: request.min_snr_gamma }),
  };
  const begun = performance.now();
  const saveCheckpoint = async (bytes: Uint8Array) => {
    await bucket.put(checkpointKey, bytes, { contentType: 'application/octet-stream' });
  };
  let saved = Date.now();
  let finalLoss = 0;
  let first: number | undefined;
  let latest: (() => Uint8Array) | undefined;
  try {
    const run = trainLora(pipeline, { ...training, ...(kept ? { resume: kept.bytes } : {}) }, signal);
    let next = await run.next();
    for (; !next.done; next = await run.next()) {
      const { step, steps, loss, checkpoint } = next.value;
      first ??= step - 1;
      // Smoothed: the loss of one step says more about its timesteps than about the LoRA.
      finalLoss = finalLoss === 0 ? loss : 0.95 * finalLoss + 0.05 * loss;
      latest = checkpoint;
      if (Date.now() - saved > checkpointSeconds * 1000) {
        await saveCheckpoint(checkpoint());
        saved = Date.now();
      }
      const seconds = ((performance.now() - begun) / 1000 / (step - first)) * (steps - step);
      await report({ step, total_steps: steps, loss: finalLoss, seconds_left: Math.round(seconds) });
    }
    const stored = await publish({ bucket }, tenant, record, next.value, pipeline, digest);
    await bucket.delete(checkpointKey);
    return {
      output: {
        lora: { name: request.name, lora_id: stored.lora_id, size_bytes: stored.size_bytes, sha256: stored.sha256 },
        final_loss: finalLoss,
      },
      progress: { step: request.steps, total_steps: request.steps, loss: finalLoss, seconds_left: 0 },
    };
  } catch (error) {
    // Told to stop: the next worker goes on from here.
    if (signal.aborted && latest) {
      await saveCheckpoint(latest());
      log({ level: 'info', message: 'training checkpointed', training: id });
    }
    throw error;
  }
}

async function readExamples(
  bucket: Bucket,
  tenant: string,
  { files, trigger_word }: TrainingRecord['request'],
  { resolution }: Pipeline,
  signal: AbortSignal,
): Promise<Example[]> {
  const examples: Example[] = [];
  for (const [i, { file_id, caption }] of files.entries()) {
    signal.throwIfAborted();
    const param = `files.${i}.file_id`;
    const picture = () => readPicture(bucket, tenant, file_id, param, resolution, resolution);
    examples.push({ picture, caption: trigger_word ? `${trigger_word}, ${caption}` : caption });
  }
  return examples;
}

/** Writes the LoRA's file, reads it back, and makes it the latest version of its name. */
async function publish(
  { bucket }: Pick<Services, 'bucket'>,
  tenant: string,
  { id, request, created_at }: TrainingRecord,
  lora: Lora,
  pipeline: Pipeline,
  modelDigest: string,
): Promise<LoraRecord> {
  // The version's id follows from the training's, so that publishing twice writes the same object.
  const loraId = id.replace(/^trn_/, 'lora_');
  const { family } = pipeline.model;
  const bytes = await encode(lora, {
    ss_base_model_version: family.baseModelVersion,
    ss_output_name: request.name,
    ss_learning_rate: String(request.learning_rate),
    ss_optimizer: request.optimizer,
    ss_lr_scheduler: request.lr_scheduler,
    ss_lr_warmup_steps: String(request.lr_warmup_steps),
    ss_noise_offset: String(request.noise_offset || 'None'),
    ss_min_snr_gamma: String(request.min_snr_gamma ?? 'None'),
    ss_max_train_steps: String(request.steps),
    ss_steps: String(request.steps),
    ss_batch_size_per_device: String(request.batch_size),
    ss_num_train_images: String(request.files.length),
    ss_seed: String(request.seed),
    ss_training_started_at: String(idTime(id) / 1000),
    ss_resolution: `(${pipeline.resolution}, ${pipeline.resolution})`,
    ss_sd_model_name: request.model,
    ss_sd_model_hash: modelDigest,
    'modelspec.title': request.name,
    'modelspec.resolution': `${pipeline.resolution}x${pipeline.resolution}`,
    'modelspec.prediction_type': pipeline.schedule.predictionType,
    'modelspec.date': created_at,
    ...(request.trigger_word ? { 'modelspec.trigger_phrase': request.trigger_word } : {}),
  });
  const key = keys.loraWeights(tenant, request.name, loraId);
  await bucket.put(key, bytes, { contentType: 'application/octet-stream' });
  const written = await bucket.getBytes(key);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (!written || createHash('sha256').update(written.bytes).digest('hex') !== sha256)
    throw new Error(`${key} reads back other than it was written`);
  const record: LoraRecord = {
    name: request.name,
    object: 'lora',
    lora_id: loraId,
    model: request.model,
    rank: request.rank,
    alpha: request.rank,
    trigger_word: request.trigger_word ?? null,
    training_id: id,
    size_bytes: bytes.length,
    sha256,
    created_at: new Date().toISOString(),
  };
  const recordKey = keys.loraRecord(tenant, request.name);
  if (!(await createRecord(bucket, recordKey, record))) {
    // A training that was asked for earlier does not replace the result of a later one.
    await updateRecord(bucket, recordKey, loraRecordSchema, (other) =>
      other.training_id && idTime(other.training_id) > idTime(id) ? undefined : record,
    );
  }
  return record;
}

/** A kohya file's bytes, which were read back and hold what was trained. */
async function encode(lora: Lora, metadata: Record<string, string>): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'loraloom-lora-'));
  try {
    const path = join(folder, 'lora.safetensors');
    await writeKohya(path, lora, metadata);
    const back = await readLora(path);
    for (const [name, { down, up, alpha, rank }] of lora.modules) {
      const half = back.modules.get(name);
      // Half precision keeps eleven bits, and alpha is folded into `up`.
      const near = (a: number, b: number) => Math.abs(a - b) <= 1e-3 * Math.abs(a) + 1e-7;
      const same =
        half &&
        down.every((value, i) => near(value, half.down[i] ?? Number.NaN)) &&
        up.every((value, i) => near((value * alpha) / rank, half.up[i] ?? Number.NaN));
      if (!same) throw new Error(`the file of the trained LoRA differs from what was trained at ${name}`);
    }
    return await readFile(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
