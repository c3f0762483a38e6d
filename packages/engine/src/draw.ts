import type { Pipeline } from './families/pipeline.ts';
import type { Encoded } from './image.ts';
import { type Random, randomFrom } from './random.ts';
import { addNoise, type Schedule, snr, target } from './samplers/schedule.ts';

/** What decides how a step's pictures are drawn. */
interface Drawing {
  batchSize: number;
  seed: number;
  minSnrGamma?: number;
  noiseOffset?: number;
  captionDropout?: number;
}

/** A step's weight in the loss of noise or velocity, by arXiv 2303.09556, section 3.4: min(SNR, γ) by SNR, or by SNR + 1. */
export function minSnrWeight(schedule: Schedule, timestep: number, gamma: number): number {
  const ratio = snr(schedule, timestep);
  return Math.min(ratio, gamma) / (schedule.predictionType === 'epsilon' ? ratio : ratio + 1);
}

/** Which examples a step shows (every one once an epoch, in an order drawn anew), at which timesteps, with what noise, and which without their captions. */
export function drawBatch(
  { schedule, latentFactor, resolution, model }: Pipeline,
  latents: readonly Encoded[],
  { batchSize, seed, minSnrGamma, noiseOffset = 0, captionDropout = 0 }: Drawing,
  step: number,
) {
  const random = randomFrom(seed, 1, step);
  // A stream of its own, so that an option changes nothing of what is drawn without it.
  const more = randomFrom(seed, 3, step);
  const side = resolution / latentFactor;
  const length = 4 * side * side;
  const chosen: number[] = [];
  const silent: boolean[] = [];
  const inputs = {
    sample: { data: new Float32Array(batchSize * length), dims: [batchSize, 4, side, side] },
    target: { data: new Float32Array(batchSize * length), dims: [batchSize, 4, side, side] },
    timesteps: { data: new Float32Array(batchSize), dims: [batchSize] },
    weight: { data: new Float32Array(batchSize).fill(1), dims: [batchSize] },
  };
  for (let i = 0; i < batchSize; i++) {
    const position = step * batchSize + i;
    const order = shuffled(latents.length, randomFrom(seed, 2, Math.floor(position / latents.length)));
    const example = order[position % latents.length] ?? 0;
    const encoded = latents[example];
    if (!encoded) throw new Error(`no example ${example}`);
    const timestep = random.integer(schedule.alphasCumprod.length);
    const draw = random.fillNormal(new Float32Array(length));
    const clean = encoded.mean.map((mean, j) => model.vae.scaling_factor * (mean + (encoded.deviation[j] ?? 0) * (draw[j] ?? 0)));
    const noise = random.fillNormal(new Float32Array(length));
    silent.push(more.uniform() < captionDropout);
    const shifts = [0, 1, 2, 3].map(() => noiseOffset * more.normal());
    if (noiseOffset > 0) for (const j of noise.keys()) noise[j] = (noise[j] ?? 0) + (shifts[Math.floor(j / side ** 2)] ?? 0);
    inputs.sample.data.set(addNoise(schedule, clean, noise, timestep), i * length);
    inputs.target.data.set(target(schedule, clean, noise, timestep), i * length);
    inputs.timesteps.data[i] = timestep;
    if (minSnrGamma !== undefined) inputs.weight.data[i] = minSnrWeight(schedule, timestep, minSnrGamma);
    chosen.push(example);
  }
  return { chosen, silent, inputs };
}

/** 0 … n − 1 in random order (Fisher–Yates). */
function shuffled(n: number, random: Random): number[] {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
  }
  return order;
}
