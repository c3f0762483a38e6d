import { InputError } from './error.ts';
import { type Pipeline, tokens } from './families/pipeline.ts';
import { checkFits, packLoras, type WeightedLora } from './lora.ts';
import type { Picture } from './pixels.ts';
import { randomFrom } from './random.ts';
import { type SamplerName, type SampleState, samplers } from './samplers/index.ts';

/** What one picture is made from. */
export interface Prompt {
  prompt: string;
  negativePrompt: string;
  /** 0 … 2³² − 1; the same seed gives the same picture whatever else is in the batch. */
  seed: number;
  loras: readonly WeightedLora[];
}

/** Pictures made together: of one size, by one sampler in as many steps, each with its own prompt, seed and LoRAs. */
export interface Generation {
  prompts: readonly Prompt[];
  width: number;
  height: number;
  steps: number;
  /** How far beyond the negative prompt's prediction to go (arXiv 2207.12598); 1 does without it. */
  guidanceScale: number;
  sampler: SamplerName;
}

/**
 * Generates pictures, yielding after each step.
 * @throws InputError `bad_size`, `bad_steps`, `lora_mismatch`, `not_finite`
 */
export async function* generate(
  pipeline: Pipeline,
  generation: Generation,
  signal?: AbortSignal,
): AsyncGenerator<{ step: number; steps: number }, Picture[]> {
  const { prompts, width, height } = generation;
  const { multiple, latentFactor } = pipeline;
  if (width % multiple !== 0 || height % multiple !== 0) {
    throw new InputError(
      'bad_size',
      `${width} × ${height}: this model makes pictures whose sides are multiples of ${multiple} pixels`,
    );
  }
  const size = (4 * width * height) / latentFactor ** 2;
  const noises = prompts.map(({ seed }) => randomFrom(seed).fillNormal(new Float32Array(size)));
  const latents = yield* denoise(pipeline, generation, noises, signal);
  return decodeLatents(pipeline, latents, width, height);
}

/** The sampler's loop, from noise `[4, h, w]` of variance 1 for each picture to its latents. */
export async function* denoise(
  { model, programs, schedule, ...pipeline }: Pipeline,
  { prompts, width, height, steps, guidanceScale, sampler: name }: Generation,
  noises: readonly Float32Array[],
  signal?: AbortSignal,
): AsyncGenerator<{ step: number; steps: number }, Float32Array[]> {
  const sampler = samplers[name](schedule, steps);
  const [text, unet] = [await programs.text(), await programs.unet()];
  const layers = [...text.layers, ...unet.layers];
  for (const { lora } of prompts.flatMap(({ loras }) => loras)) checkFits(layers, lora);
  // With guidance each picture has two places in the batch: all negative prompts first, then all prompts.
  const guided = guidanceScale !== 1;
  const places = guided ? [...prompts.map((prompt) => ({ ...prompt, prompt: prompt.negativePrompt })), ...prompts] : prompts;
  const sets = places.map(({ loras }) => loras);
  const ids = tokens(
    { model, programs, schedule, ...pipeline },
    places.map(({ prompt }) => prompt),
  );
  const { features } = await text.run({ ids, ...packLoras(text.layers, sets) });
  const context = { data: features, dims: [places.length, 77, model.unet.cross_attention_dim] };
  const loras = packLoras(unet.layers, sets);
  const [h, w] = [height / pipeline.latentFactor, width / pipeline.latentFactor];

  let states: SampleState[] = noises.map((noise) => sampler.start(noise));
  for (const [i, timestep] of sampler.timesteps.entries()) {
    signal?.throwIfAborted();
    const inputs = states.map((state) => sampler.input(state, i));
    const sample = join(guided ? [...inputs, ...inputs] : inputs);
    const { prediction } = await unet.run({
      sample: { data: sample, dims: [places.length, 4, h, w] },
      timesteps: { data: new Float32Array(places.length).fill(timestep), dims: [places.length] },
      context,
      ...loras,
    });
    const length = 4 * h * w;
    const part = (place: number) => prediction.subarray(place * length, (place + 1) * length);
    states = states.map((state, picture) => {
      const output = guided ? guide(part(picture), part(prompts.length + picture), guidanceScale) : part(picture);
      return sampler.step(state, output, i);
    });
    yield { step: i + 1, steps: sampler.timesteps.length };
  }
  const latents = states.map((state) => state.latents);
  if (!latents.every((values) => values.every(Number.isFinite))) {
    throw new InputError(
      'not_finite',
      'the model gave values that are not numbers; a lower LoRA weight or guidance scale may help',
    );
  }
  return latents;
}

/** Latents `[4, h, w]`, as the UNet has them, to pictures. */
export async function decodeLatents(
  { model, programs, latentFactor }: Pipeline,
  latents: readonly Float32Array[],
  width: number,
  height: number,
): Promise<Picture[]> {
  const decoder = await programs.decoder();
  const pictures: Picture[] = [];
  // One at a time: the decoder needs far more memory than a step of the UNet, and gains nothing from a batch.
  for (const scaled of latents) {
    const data = scaled.map((value) => value / model.vae.scaling_factor);
    const { pictures: planes } = await decoder.run({
      latents: { data, dims: [1, 4, height / latentFactor, width / latentFactor] },
    });
    const pixels = new Uint8Array(3 * width * height);
    const plane = width * height;
    for (let i = 0; i < plane; i++) {
      for (let c = 0; c < 3; c++)
        pixels[3 * i + c] = Math.round(Math.min(255, Math.max(0, ((planes[c * plane + i] ?? 0) + 1) * 127.5)));
    }
    pictures.push({ width, height, data: pixels });
  }
  return pictures;
}

const guide = (negative: Float32Array, positive: Float32Array, scale: number) =>
  positive.map((value, i) => (negative[i] ?? 0) + scale * (value - (negative[i] ?? 0)));

function join(arrays: readonly Float32Array[]): Float32Array {
  const length = arrays[0]?.length ?? 0;
  const whole = new Float32Array(arrays.length * length);
  for (const [i, array] of arrays.entries()) whole.set(array, i * length);
  return whole;
}
