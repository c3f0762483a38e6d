import { join } from 'node:path';
import {
  adamW,
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
import { dataset, randomPlacement } from './pictures.ts';
import { loadState, saveState, type TrainingState } from './state.ts';

const batch = 8;
/** Each picture is encoded this often, each time placed a little differently. */
const placements = 3;
const latentLength = 4 * latentSize * latentSize;

/** The layout of the UNet's and the text encoder's weights, trained as one. */
export const denoiserShapes = (vocabulary: number) => [
  ...unetShapes(unetConfig).map(([name, dims]) => [`unet.${name}`, dims] as const),
  ...textShapes(vocabulary, textConfig).map(([name, dims]) => [`text_encoder.${name}`, dims] as const),
];

/**
 * Trains the UNet together with its text encoder to predict velocities (arXiv 2202.00512) with min-SNR weights (arXiv 2303.09556),
 * every tenth caption empty, so that guidance works. Yields once a step.
 * @param pipeline whose autoencoder and tokenizer are final
 */
export async function* trainDenoiser(
  { model, tokenizer, programs }: Pipeline,
  vocabulary: number,
  folder: string,
  steps: number,
): AsyncGenerator<{ step: number; loss: number; state: TrainingState }> {
  const path = join(folder, 'denoiser.safetensors');
  const state = await loadState(path, initialParameters(denoiserShapes(vocabulary), randomFrom(3)));
  const examples = await dataset({ folder, size: resolution });
  const encoder = await programs.encoder();
  const latents: Float32Array[] = [];
  for (const [i, example] of examples.entries()) {
    for (let j = 0; j < placements; j++) {
      const { mean } = await encoder.run({
        pictures: { data: example.planes(randomPlacement(randomFrom(4, i, j))), dims: [1, 3, resolution, resolution] },
      });
      latents.push(mean.map((value) => value * model.vae.scaling_factor));
    }
  }
  const ids = examples.map(({ caption }) => BigInt64Array.from(tokenizer.encode(caption), BigInt));
  const empty = BigInt64Array.from(tokenizer.encode(''), BigInt);
  const schedule = openSchedule(schedulerConfig);
  const objective = await denoiserObjective(model, state.parameters, batch, latentSize);
  let saved = Date.now();
  while (state.moments.step < steps) {
    const random = randomFrom(5, state.moments.step);
    const sample = new Float32Array(batch * latentLength);
    const wanted = new Float32Array(batch * latentLength);
    const timesteps = new Float32Array(batch);
    const weight = new Float32Array(batch);
    const captions = new BigInt64Array(batch * 77);
    for (let i = 0; i < batch; i++) {
      const example = random.integer(examples.length);
      const clean = latents[example * placements + random.integer(placements)] ?? new Float32Array(latentLength);
      const noise = random.fillNormal(new Float32Array(latentLength));
      const timestep = random.integer(schedule.alphasCumprod.length);
      sample.set(addNoise(schedule, clean, noise, timestep), i * latentLength);
      wanted.set(target(schedule, clean, noise, timestep), i * latentLength);
      timesteps[i] = timestep;
      // min(SNR, 5) / (SNR + 1) weighs the velocity's error as min(SNR, 5) does the picture's.
      weight[i] = Math.min(snr(schedule, timestep), 5) / (snr(schedule, timestep) + 1);
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
    const learningRate = 6e-4 * Math.min(1, (state.moments.step + 1) / 100) * (0.1 + 0.9 * remaining);
    state.moments = adamW(state.parameters.values, gradients, state.moments, { learningRate, beta2: 0.99, weightDecay: 1e-3 });
    const decay = Math.min(0.998, state.moments.step / (state.moments.step + 20));
    for (let i = 0; i < state.average.length; i++)
      state.average[i] = decay * (state.average[i] ?? 0) + (1 - decay) * (state.parameters.values[i] ?? 0);
    if (Date.now() - saved > 120_000 || state.moments.step === steps) {
      await saveState(path, state);
      saved = Date.now();
    }
    yield { step: state.moments.step, loss, state };
  }
  await objective.close();
}
