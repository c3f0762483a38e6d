import { pack } from './adapters.ts';
import { InputError } from './error.ts';
import { type Conditions, framing, stack, textsOf } from './families/conditions.ts';
import { targets } from './families/family.ts';
import type { Pipeline } from './families/pipeline.ts';
import { choose, encodePicture, latentMask, type StartImage } from './image.ts';
import { checkFits, type WeightedLora } from './lora.ts';
import { randomFrom } from './random.ts';
import { mixed, type Sampler, type SamplerName, type SampleState, samplers } from './samplers/index.ts';
import { type Encode, textEncoder } from './texts.ts';

/** What one picture is made from. */
export interface PictureRequest {
  prompt: string;
  negativePrompt: string;
  /** 0 … 2³² − 1; the same seed gives the same picture whatever else is in the batch. */
  seed: number;
  loras: readonly WeightedLora[];
  width: number;
  height: number;
  steps: number;
  /** How far beyond the negative prompt's prediction to go (arXiv 2207.12598); 1 does without it, at half the cost. */
  guidanceScale: number;
  sampler: SamplerName;
  /** Only its last steps are taken then, `strength` of them. */
  image?: StartImage;
}

/** A picture in the making, before step `i` of its sampler: a value, so that any set of them can take a step together. */
export interface Denoising {
  /** Of the latents. */
  height: number;
  width: number;
  sampler: Sampler;
  state: SampleState;
  i: number;
  loras: readonly WeightedLora[];
  /** Whether any of them adapts convolutions. */
  convolutions: boolean;
  guidanceScale: number;
  /** What the network is told beside the latents, each with a leading dimension of 1: the prompt's last, the negative prompt's before it. */
  conditions: readonly Conditions[];
  /** Of the noise that a sampler adds on its way. */
  seed: number;
  /** What is kept of a picture: its latents, the noise that they are shown under, and where they are not kept, `[h, w]`. */
  kept?: { picture: Float32Array; noise: Float32Array; mask: Float32Array };
}

/** Latents `[4, h, w]` of a request. */
export const latentLength = ({ latentFactor }: Pipeline, { width, height }: Pick<PictureRequest, 'width' | 'height'>) =>
  (4 * width * height) / latentFactor ** 2;

/**
 * A picture before its first step.
 * @param noise `[4, h, w]`, variance 1
 * @throws InputError `bad_size`, `bad_steps`, `lora_mismatch`
 */
export async function begin(
  pipeline: Pipeline,
  request: PictureRequest,
  {
    encode = textEncoder(pipeline),
    noise = randomFrom(request.seed).fillNormal(new Float32Array(latentLength(pipeline, request))),
  }: { encode?: Encode; noise?: Float32Array } = {},
): Promise<Denoising> {
  const { width, height, steps, guidanceScale, loras } = request;
  const { model, multiple, latentFactor, schedule, programs } = pipeline;
  if (width % multiple !== 0 || height % multiple !== 0) {
    throw new InputError(
      'bad_size',
      `${width} × ${height}: this model makes pictures whose sides are multiples of ${multiple} pixels`,
    );
  }
  const { image } = request;
  if (image && (image.picture.width !== width || image.picture.height !== height)) {
    const { width: w, height: h } = image.picture;
    throw new InputError('bad_size', `the picture to start from is ${w} × ${h}; ${width} × ${height} wanted`);
  }
  const sampler = samplers[request.sampler](schedule, steps, image?.strength);
  const convolutions = loras.some(({ lora }) => [...lora.modules.keys()].some((module) => targets.unetConvolutions.test(module)));
  const unet = await (convolutions ? programs.unetWithConvolutions() : programs.unet());
  const layers = [...(await programs.text()).layers, ...unet.layers];
  for (const { lora } of loras) checkFits(layers, lora);
  const features = await Promise.all(textsOf(model, request).map((text) => encode(text, loras)));
  const frame = framing(model, request);
  const conditions = features.map((told) => ({ ...told, ...frame }));
  // Its mean: what the autoencoder would draw around it is far less than the noise that is added.
  const picture = image && (await encodePicture(pipeline, image.picture)).mean.map((value) => value * model.vae.scaling_factor);
  return {
    height: height / latentFactor,
    width: width / latentFactor,
    sampler,
    // Nothing of the picture is left at full strength, not even the trace that the last timestep has.
    state: sampler.start(noise, image && image.strength < 1 ? picture : undefined),
    i: 0,
    loras,
    convolutions,
    guidanceScale,
    conditions,
    seed: request.seed,
    ...(picture && image.mask ? { kept: { picture, noise, mask: latentMask(image.mask, width, height, latentFactor) } } : {}),
  };
}

export const finished = ({ i, sampler }: Denoising): boolean => i === sampler.steps.length;

/** One step, through the network together, of pictures of one size, none of them finished; everything else may differ. */
export async function step({ programs }: Pipeline, pictures: readonly Denoising[]): Promise<Denoising[]> {
  const unet = await (pictures.some(({ convolutions }) => convolutions) ? programs.unetWithConvolutions() : programs.unet());
  const places = pictures.flatMap((picture) => picture.conditions.map((conditions) => ({ picture, conditions })));
  const [first] = pictures;
  if (!first) return [];
  const inputs = new Map(pictures.map((picture) => [picture, picture.sampler.input(picture.state, picture.i)]));
  const samples = places.map(({ picture }) => inputs.get(picture) ?? new Float32Array());
  const timesteps = places.map(({ picture: { sampler, i } }) => sampler.steps[i]?.timestep ?? Number.NaN);
  const { prediction } = await unet.run({
    ...told(places.map(({ conditions }) => conditions)),
    sample: { data: join(samples), dims: [places.length, 4, first.height, first.width] },
    timesteps: { data: Float32Array.from(timesteps), dims: [places.length] },
    ...pack(
      unet,
      places.map(({ picture }) => picture.loras),
    ),
  });
  const length = prediction.length / places.length;
  let place = 0;
  return pictures.map((picture) => {
    const outputs = picture.conditions.map(() => prediction.subarray(place * length, ++place * length));
    const output = outputs.reduce((negative, positive) => guide(negative, positive, picture.guidanceScale));
    return advance(picture, output);
  });
}

/** The conditions of a batch, which are the same from step to step while nobody joins or leaves; by the first picture's. */
const stacked = new WeakMap<Conditions, { places: readonly Conditions[]; inputs: Conditions }>();

function told(places: readonly Conditions[]): Conditions {
  const [first] = places;
  if (!first) return {};
  const last = stacked.get(first);
  if (last?.places.length === places.length && places.every((place, i) => place === last.places[i])) return last.inputs;
  const inputs = Object.fromEntries(
    Object.entries(stack(places)).map(([name, numbers]) => [name, { ...numbers, constant: true }]),
  );
  stacked.set(first, { places, inputs });
  return inputs;
}

function advance(picture: Denoising, output: Float32Array): Denoising {
  const { sampler, seed, i, kept } = picture;
  // Its own at each step, whatever the others in the batch draw; the first noise has no second key.
  const fresh = () => randomFrom(seed, i + 1).fillNormal(new Float32Array(output.length));
  const state = sampler.step(picture.state, output, i, fresh);
  const next = { ...picture, state, i: i + 1 };
  if (!kept) return next;
  // What is kept of a picture comes to each level with the same noise, so that what is made beside it fits in.
  const level = sampler.steps[i + 1]?.from;
  const latents = choose(kept.mask, state.latents, level ? mixed(level, kept) : kept.picture);
  return { ...next, state: { ...state, latents } };
}

/** A finished picture's latents. @throws InputError `not_finite` */
export function latentsOf({ state: { latents } }: Denoising): Float32Array {
  if (latents.every(Number.isFinite)) return latents;
  throw new InputError(
    'not_finite',
    'the model gave values that are not numbers; a lower LoRA weight or guidance scale may help',
  );
}

const guide = (negative: Float32Array, positive: Float32Array, scale: number) =>
  positive.map((value, i) => (negative[i] ?? 0) + scale * (value - (negative[i] ?? 0)));

function join(arrays: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const array of arrays) {
    whole.set(array, end);
    end += array.length;
  }
  return whole;
}
