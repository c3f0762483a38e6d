import { join } from 'node:path';
import {
  addNoise,
  denoiserObjective,
  openSchedule,
  type Pipeline,
  randomFrom,
  snr,
  target,
  textShapes,
  unetShapes,
} from '@loraloom/engine';
import { latentSize, resolution, schedulerConfig, textConfig, unetConfig } from './architecture.ts';
import { initialParameters } from './initial.ts';
import { dataset } from './pictures.ts';
import { advance, loadState, saver, type TrainingState } from './state.ts';
import type { Subject } from './subjects.ts';

const batch = 16;
const latentLength = 4 * latentSize * latentSize;

/** The layout of the UNet's and the text encoder's weights, trained as one. */
export const denoiserShapes = (vocabulary: number) => [
  ...unetShapes(unetConfig).map(([name, dims]) => [`unet.${name}`, dims] as const),
  ...textShapes(vocabulary, textConfig).map(([name, dims]) => [`text_encoder.${name}`, dims] as const),
];

/**
 * Trains the UNet together with its text encoder to predict velocities (arXiv 2202.00512) with weights after min-SNR (arXiv 2303.09556),
 * every tenth caption empty, so that guidance works. Yields once a step.
 * @param subjects to learn, each over every background
 * @param pipeline whose autoencoder and tokenizer are final
 */
export async function* trainDenoiser(
  { model, tokenizers: [tokenizer], programs }: Pipeline,
  vocabulary: number,
  folder: string,
  subjects: readonly Subject[],
  steps: number,
): AsyncGenerator<{ step: number; loss: number; state: TrainingState }> {
  const path = join(folder, 'denoiser.safetensors');
  const state = await loadState(path, initialParameters(denoiserShapes(vocabulary), randomFrom(3)));
  const examples = await dataset({ folder, subjects, size: resolution });
  const encoder = await programs.encoder();
  // Every subject stays in the middle: what a caption asks for is then one picture and no blur of many, which a model this small learns many times sooner.
  const latents: Float32Array[] = [];
  for (const example of examples) {
    const { mean } = await encoder.run({ pictures: { data: example.planes(), dims: [1, 3, resolution, resolution] } });
    latents.push(mean.map((value) => value * model.vae.scaling_factor));
  }
  const ids = examples.map(({ caption }) => BigInt64Array.from(tokenizer.encode(caption), BigInt));
  const empty = BigInt64Array.from(tokenizer.encode(''), BigInt);
  const schedule = openSchedule(schedulerConfig);
  const objective = await denoiserObjective(model, state.parameters, batch, latentSize);
  const save = saver(path, steps, 120);
  while (state.moments.step < steps) {
    const random = randomFrom(5, state.moments.step);
    const sample = new Float32Array(batch * latentLength);
    const wanted = new Float32Array(batch * latentLength);
    const timesteps = new Float32Array(batch);
    const weight = new Float32Array(batch);
    const captions = new BigInt64Array(batch * 77);
    for (let i = 0; i < batch; i++) {
      const example = random.integer(examples.length);
      const clean = latents[example] ?? new Float32Array(latentLength);
      const noise = random.fillNormal(new Float32Array(latentLength));
      const timestep = random.integer(schedule.alphasCumprod.length);
      sample.set(addNoise(schedule, clean, noise, timestep), i * latentLength);
      wanted.set(target(schedule, clean, noise, timestep), i * latentLength);
      timesteps[i] = timestep;
      // Velocities as they are down to an SNR of 5, above it less by as much as min-SNR does. Min-SNR itself gives next to nothing
      // to the noisiest steps, and it is they that decide what the picture shows.
      weight[i] = Math.min(1, 5 / snr(schedule, timestep));
      captions.set(random.uniform() < 0.1 ? empty : (ids[example] ?? empty), i * 77);
    }
    const dims = [batch, 4, latentSize, latentSize];
    const { loss, gradients } = await objective.evaluate(state.parameters, {
      sample: { data: sample, dims },
      target: { data: wanted, dims },
      timesteps: { data: timesteps, dims: [batch] },
      weight: { data: weight, dims: [batch] },
      ids: { data: captions, dims: [batch, 77] },
    });
    const remaining = 1 - state.moments.step / steps;
    const learningRate = 8e-4 * Math.min(1, (state.moments.step + 1) / 100) * (0.1 + 0.9 * remaining);
    advance(state, gradients, { learningRate, weightDecay: 1e-3, decay: 0.998 });
    await save(state);
    yield { step: state.moments.step, loss, state };
  }
  await objective.close();
}
