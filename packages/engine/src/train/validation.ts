import { pack } from '../adapters.ts';
import { stack } from '../families/conditions.ts';
import { targets } from '../families/family.ts';
import type { Pipeline } from '../families/pipeline.ts';
import type { Lora } from '../files/lora.ts';
import { randomFrom } from '../random.ts';
import { addNoise, target } from '../samplers/schedule.ts';
import { type Encode, textEncoder } from '../texts.ts';
import { shuffled } from './order.ts';
import type { Prepared } from './pictures.ts';

/** How many timesteps a picture is measured at, in the middle of as many equal parts of the schedule. */
const places = 4;

/** Which of `count` examples are kept from training, by number: the same for the same seed; at least one if any are to be. */
export function heldOut(count: number, split: number, seed: number): Set<number> {
  if (split === 0) return new Set();
  return new Set(shuffled(count, randomFrom(seed, 4)).slice(0, Math.max(1, Math.round(split * count))));
}

/**
 * Mean squared error of what the model predicts for pictures that were not trained on, adapted by a LoRA. Timesteps and noise are
 * the same each time, so that two of them can be compared.
 */
export async function validationLoss(
  pipeline: Pipeline,
  held: readonly Prepared[],
  lora: Lora,
  seed: number,
  encode: Encode = textEncoder(pipeline),
): Promise<number> {
  const { schedule, model, programs } = pipeline;
  const convolutions = [...lora.modules.keys()].some((name) => targets.unetConvolutions.test(name));
  const unet = await (convolutions ? programs.unetWithConvolutions() : programs.unet());
  const set = [{ lora, weight: 1 }];
  let [sum, count] = [0, 0];
  for (const [i, { latents, width, height, frame, caption }] of held.entries()) {
    const clean = latents.mean.map((value) => value * model.vae.scaling_factor);
    const told = { ...(await encode(caption, set)), ...frame };
    const timesteps = Array.from({ length: places }, (_, place) =>
      Math.floor(((place + 0.5) / places) * schedule.alphasCumprod.length),
    );
    const noises = timesteps.map((_, place) => randomFrom(seed, 5, i, place).fillNormal(new Float32Array(clean.length)));
    const sample = new Float32Array(places * clean.length);
    const wanted = new Float32Array(places * clean.length);
    for (const [place, timestep] of timesteps.entries()) {
      const noise = noises[place] ?? clean;
      sample.set(addNoise(schedule, clean, noise, timestep), place * clean.length);
      wanted.set(target(schedule, clean, noise, timestep), place * clean.length);
    }
    const { prediction } = await unet.run({
      ...stack(timesteps.map(() => told)),
      sample: { data: sample, dims: [places, 4, height, width] },
      timesteps: { data: Float32Array.from(timesteps), dims: [places] },
      ...pack(unet, [set]),
    });
    for (const [j, value] of prediction.entries()) sum += (value - (wanted[j] ?? Number.NaN)) ** 2;
    count += prediction.length;
  }
  return sum / count;
}
