import type { Pipeline } from '../families/pipeline.ts';
import type { Numbers } from '../graph/compile.ts';
import { randomFrom } from '../random.ts';
import { addNoise, type Schedule, snr, target } from '../samplers/schedule.ts';
import { shuffled } from './order.ts';
import type { Prepared } from './pictures.ts';
import type { Training } from './training.ts';

/** What decides how a batch's pictures are shown. */
export type Drawing = Pick<Training, 'seed' | 'minSnrGamma' | 'noiseOffset' | 'captionDropout' | 'shuffleTags' | 'keptTags'>;

/** A step's weight in the loss of noise or velocity, by arXiv 2303.09556, section 3.4: min(SNR, γ) by SNR, or by SNR + 1. */
export function minSnrWeight(schedule: Schedule, timestep: number, gamma: number): number {
  const ratio = snr(schedule, timestep);
  return Math.min(ratio, gamma) / (schedule.predictionType === 'epsilon' ? ratio : ratio + 1);
}

/** A batch as the network is shown it: `sample` and `target` `[batch, 4, h, w]`, `timesteps` and `weight` `[batch]`. */
export interface Drawn {
  captions: string[];
  inputs: Record<'sample' | 'target' | 'timesteps' | 'weight', Numbers & { data: Float32Array }>;
}

/** Draws, for pictures of one size, at which timesteps they are shown, with what noise, mirrored or not, and with which captions. */
export function drawBatch(
  { schedule, model }: Pick<Pipeline, 'schedule' | 'model'>,
  examples: readonly Prepared[],
  drawing: Drawing,
  batch: number,
): Drawn {
  const { seed, minSnrGamma, noiseOffset = 0 } = drawing;
  const random = randomFrom(seed, 1, batch);
  // Streams of their own, so that an option changes nothing of what is drawn without it.
  const more = randomFrom(seed, 3, batch);
  const mirroring = randomFrom(seed, 7, batch);
  const { height = 0, width = 0 } = examples[0] ?? {};
  const count = examples.length;
  const length = 4 * height * width;
  const inputs = {
    sample: { data: new Float32Array(count * length), dims: [count, 4, height, width] },
    target: { data: new Float32Array(count * length), dims: [count, 4, height, width] },
    timesteps: { data: new Float32Array(count), dims: [count] },
    weight: { data: new Float32Array(count), dims: [count] },
  };
  const captions = examples.map(({ latents, mirrored, caption, weight }, i) => {
    const timestep = random.integer(schedule.alphasCumprod.length);
    const draw = random.fillNormal(new Float32Array(length));
    const { mean, deviation } = mirrored && mirroring.uniform() < 0.5 ? mirrored : latents;
    const clean = mean.map((value, j) => model.vae.scaling_factor * (value + (deviation[j] ?? 0) * (draw[j] ?? 0)));
    const noise = random.fillNormal(new Float32Array(length));
    const silent = more.uniform() < (drawing.captionDropout ?? 0);
    const shifts = [0, 1, 2, 3].map(() => noiseOffset * more.normal());
    if (noiseOffset > 0) for (const j of noise.keys()) noise[j] = (noise[j] ?? 0) + (shifts[Math.floor((4 * j) / length)] ?? 0);
    inputs.sample.data.set(addNoise(schedule, clean, noise, timestep), i * length);
    inputs.target.data.set(target(schedule, clean, noise, timestep), i * length);
    inputs.timesteps.data[i] = timestep;
    inputs.weight.data[i] = weight * (minSnrGamma === undefined ? 1 : minSnrWeight(schedule, timestep, minSnrGamma));
    return silent ? '' : captionFor(caption, drawing, batch, i);
  });
  return { captions, inputs };
}

/** A caption with its tags in an order of this batch, where they are shuffled. */
function captionFor(caption: string, { seed, shuffleTags = false, keptTags = 0 }: Drawing, batch: number, place: number): string {
  if (!shuffleTags) return caption;
  const tags = caption.split(',').map((tag) => tag.trim());
  const loose = tags.slice(keptTags);
  const order = shuffled(loose.length, randomFrom(seed, 8, batch, place));
  return [...tags.slice(0, keptTags), ...order.map((i) => loose[i] ?? '')].join(', ');
}
