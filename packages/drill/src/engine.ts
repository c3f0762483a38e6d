import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Batch, Lora, Picture, PictureRequest, Pipeline, Training, TrainingStep } from '@loraloom/engine';
import * as real from '@loraloom/engine';
import { untilDone } from './clock.ts';

/*
 * The worker's engine in the drill: the real one (pixels, LoRA files, models on disk), but for the arithmetic. What a picture or
 * a training comes to is a digest of everything that should decide it, so that whatever got lost, mixed up or done twice shows.
 */

export * from '@loraloom/engine';

/** Their work is done by threads that only sharp knows of. */
export const decodePicture: typeof real.decodePicture = (bytes) => untilDone(real.decodePicture(bytes));
export const encodePng: typeof real.encodePng = (picture) => untilDone(real.encodePng(picture));
export const resizeCover: typeof real.resizeCover = (...given) => untilDone(real.resizeCover(...given));

const pictureStepMs = 700;
const trainingStepMs = 2500;

const digest = (...parts: (string | Uint8Array)[]) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

export function openBatch(_: Pipeline, slots: number): Batch {
  let taken = 0;
  return {
    async *generate(request, signal) {
      while (taken >= slots) await sleep(100);
      taken++;
      try {
        for (let step = 1; step <= request.steps; step++) {
          await sleep(pictureStepMs);
          signal?.throwIfAborted();
          yield { step, steps: request.steps };
        }
        return pictureOf(request);
      } finally {
        taken--;
      }
    },
  };
}

function pictureOf({ width, height, image, loras, ...request }: PictureRequest): Picture {
  const weights = loras.map(({ lora, weight }) => [lora.digest, weight]);
  const seed = digest(JSON.stringify([width, height, request, weights]), image?.picture.data ?? '', String(image?.strength));
  return { width, height, data: new Uint8Array(width * height * 3).map((_, i) => (seed[i % 32] ?? 0) ^ (i % 251)) };
}

/** Each state is a digest of the one before: a step that is missing or taken twice leads nowhere else. */
export async function* trainLora(_: Pipeline, training: Training, signal?: AbortSignal): AsyncGenerator<TrainingStep, Lora> {
  const { steps, rank, alpha, examples, seed, resume } = training;
  const about = JSON.stringify([steps, rank, alpha, seed, training.optimizer]);
  const shown: (string | Uint8Array)[] = [];
  for (const { picture, caption } of examples) shown.push((await picture()).data, caption);
  let state = digest(about, ...shown);
  let step = 0;
  if (resume) {
    const kept = Buffer.from(resume);
    if (kept.length !== 68 || !digest(kept.subarray(0, 36)).equals(kept.subarray(36))) throw new Error('a torn checkpoint');
    step = kept.readUInt32BE(0);
    state = kept.subarray(4, 36);
  }
  const lora = (): Lora => {
    const value = (i: number) => (state[i] ?? 0) / 256;
    const inFeatures = 32;
    const down = new Float32Array(rank * inFeatures).map((_, i) => value(i % 32));
    const up = new Float32Array(inFeatures * rank).map((_, i) => value((i + 7) % 32));
    const module = { down, up, rank, alpha, inFeatures, outFeatures: inFeatures };
    const name = 'unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q';
    return { modules: new Map([[name, module]]), metadata: {}, digest: state.toString('hex') };
  };
  const checkpoint = () => {
    const head = Buffer.concat([Buffer.alloc(4), state]);
    head.writeUInt32BE(step, 0);
    return new Uint8Array(Buffer.concat([head, digest(head)]));
  };
  while (step < steps) {
    signal?.throwIfAborted();
    await sleep(trainingStepMs);
    step++;
    state = digest(state, String(step));
    yield { step, steps, loss: 1 / step, learningRate: training.learningRate, checkpoint, lora, validate: async () => undefined };
  }
  return lora();
}
