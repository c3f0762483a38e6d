import { createHash } from 'node:crypto';
import { encodePng, type Lora } from '@loraloom/engine';
import { type Bucket, keys, readJob, type TrainingRecord, trainings } from '@loraloom/jobs';
import {
  best,
  encodeDiffusersLora,
  encodeLora,
  metadataOf,
  runTraining,
  type Sample,
  type Saved,
  type TrainerStep,
  trainingOf,
} from '@loraloom/trainer';
import { type Attempt, attempt } from './attempt.ts';
import { openEvents } from './events.ts';
import { Failure } from './failure.ts';
import { type Loras, readStored } from './loras.ts';
import type { Models } from './models.ts';
import { fitOnly } from './moderate.ts';
import { publish } from './publish.ts';
import type { Services } from './services.ts';
import { openPictures } from './training-pictures.ts';

/** Seconds after which a checkpoint to resume from is written though `save_steps` are not over: what a crash costs at most. */
const checkpointSeconds = 60;

/** Trains a LoRA, going on from its checkpoint where an earlier attempt left one. */
export function trainingHandler(services: Services, models: Models, loras: Loras) {
  return (job: { tenant: string; id: string }, stop: AbortSignal) =>
    attempt(services, trainings, job, stop, (begun) => train(services, models, loras, begun));
}

async function train(services: Services, models: Models, loras: Loras, begun: Attempt<TrainingRecord>) {
  const { bucket, log } = services;
  const { tenant, record, signal, report, amend } = begun;
  const { request, id } = record;
  const kept = await bucket.getBytes(keys.checkpoint(tenant, id));
  const { model, pipeline, batch, digest } = await models.open(request.model);
  const start = kept ? undefined : await readStart(bucket, loras, tenant, request);
  const { files, prior, tell } = openPictures(services, begun, kept !== undefined);
  const training = trainingOf(request, { files, prior, start, resume: kept?.bytes });
  const events = openEvents(bucket, (part) => keys.eventsPart(tenant, id, record.attempts, part), {
    failed: (error) => log({ level: 'warn', message: 'events not written', training: id, error: String(error) }),
  });
  events.add({ type: 'log', message: kept ? 'resumed from a checkpoint' : 'begun' });
  const about = {
    name: request.name,
    model: request.model,
    modelDigest: digest,
    files: request.files,
    priorPictures: request.prior_files.length,
  };
  const sampling = {
    batch,
    steps: model.default_steps,
    guidanceScale: model.default_guidance_scale,
    sampler: model.default_sampler,
  };
  const saveCheckpoint = async (bytes: Uint8Array) => {
    await bucket.put(keys.checkpoint(tenant, id), bytes, { contentType: 'application/octet-stream' });
    saved = Date.now();
  };

  /** A checkpoint's LoRA, then its line in the record, and last what a resumed training goes on from: it would not come here again. */
  const save = async ({ step, smoothLoss, checkpoint }: TrainerStep, { lora, validationLoss }: Saved) => {
    const bytes = await encodeLora(lora, metadataOf(request, { ...about, step }, pipeline));
    await bucket.put(keys.checkpointLora(tenant, id, step), bytes, { contentType: 'application/octet-stream' });
    const entry = {
      step,
      loss: smoothLoss,
      validation_loss: validationLoss,
      size_bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    };
    await amend((job) => {
      const checkpoints = [...job.checkpoints.filter((other) => other.step !== step), entry].toSorted((a, b) => a.step - b.step);
      return { ...job, checkpoints, best_step: best(checkpoints) };
    });
    events.add({ type: 'checkpoint', step, loss: smoothLoss, validation_loss: validationLoss });
    await saveCheckpoint(checkpoint());
  };

  const keepSamples = async (step: number, samples: readonly Sample[]) => {
    const fit = await fitOnly(services, samples);
    for (const [index, { picture }] of fit)
      await bucket.put(keys.sample(tenant, id, step, index), await encodePng(picture), { contentType: 'image/png' });
    const entries = fit.map(([index, { prompt }]) => ({ step, index, prompt }));
    await amend((job) => ({ ...job, samples: [...job.samples.filter((other) => other.step !== step), ...entries] }));
    for (const entry of entries) events.add({ type: 'sample', ...entry });
  };

  let saved = Date.now();
  let latest: TrainerStep | undefined;
  try {
    const run = runTraining(pipeline, request, training, sampling, signal);
    let next = await run.next();
    for (; !next.done; next = await run.next()) {
      // With the first step all pictures have been read.
      if (!latest) await tell();
      latest = next.value;
      const { step, steps, loss, smoothLoss, learningRate, stepsPerSecond } = latest;
      events.add({ type: 'step', step, loss, learning_rate: learningRate });
      if (latest.samples) await keepSamples(step, latest.samples);
      if (latest.saved) await save(latest, latest.saved);
      else if (Date.now() - saved > checkpointSeconds * 1000) await saveCheckpoint(latest.checkpoint());
      await events.flush();
      const seconds_left = stepsPerSecond === undefined ? null : Math.round((steps - step) / stepsPerSecond);
      await report({ step, total_steps: steps, loss: smoothLoss, seconds_left });
    }
    const stored = await publish(bucket, tenant, record, {
      kohya: await encodeLora(next.value, metadataOf(request, about, pipeline)),
      diffusers: await encodeDiffusersLora(next.value),
    });
    events.add({ type: 'log', message: 'succeeded' });
    await events.flush(true);
    await bucket.delete(keys.checkpoint(tenant, id));
    // A resumed training that had no step left to take knows its loss from the record.
    const last = latest?.smoothLoss ?? record.checkpoints.at(-1)?.loss ?? 0;
    return {
      output: {
        lora: {
          name: request.name,
          lora_id: stored.lora_id,
          size_bytes: stored.size_bytes,
          sha256: stored.sha256,
          diffusers: stored.diffusers,
        },
        final_loss: last,
      },
      progress: { step: request.steps, total_steps: request.steps, loss: last, seconds_left: 0 },
    };
  } catch (error) {
    events.add({ type: 'log', message: error instanceof Error ? error.message : String(error) });
    await events.flush(true);
    // Told to stop: the next worker goes on from here.
    if (signal.aborted && latest) {
      await saveCheckpoint(latest.checkpoint());
      log({ level: 'info', message: 'training checkpointed', training: id });
    }
    throw error;
  }
}

/** The LoRA that a training goes on from. @throws Failure if it is not there any more */
async function readStart(
  bucket: Bucket,
  loras: Loras,
  tenant: string,
  { continue_from: from }: TrainingRecord['request'],
): Promise<Lora | undefined> {
  if (!from) return undefined;
  if ('lora' in from) return loras.find(tenant, from.lora, 'continue_from.lora');
  const { training_id: id } = from;
  const other = await readJob(bucket, trainings, tenant, id);
  const step = from.step ?? other?.best_step ?? other?.checkpoints.at(-1)?.step;
  const missing = `training ${id} has no checkpoint${step === undefined ? '' : ` of step ${step}`}; its record lists those it has`;
  if (step === undefined) throw new Failure('unknown_checkpoint', missing, 'continue_from.training_id');
  const lora = await readStored(bucket, keys.checkpointLora(tenant, id, step));
  if (!lora) throw new Failure('unknown_checkpoint', missing, 'continue_from.step');
  return lora;
}
