import { pack } from './adapters.ts';
import { InputError } from './error.ts';
import { type Conditions, framing, stack, textsOf } from './families/conditions.ts';
import type { Pipeline } from './families/pipeline.ts';
import { checkFits, type WeightedLora } from './lora.ts';
import { randomFrom } from './random.ts';
import { type Sampler, type SamplerName, type SampleState, samplers } from './samplers/index.ts';
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
  guidanceScale: number;
  /** What the network is told beside the latents, each with a leading dimension of 1: the prompt's last, the negative prompt's before it. */
  conditions: readonly Conditions[];
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
  const sampler = samplers[request.sampler](schedule, steps);
  const layers = [...(await programs.text()).layers, ...(await programs.unet()).layers];
  for (const { lora } of loras) checkFits(layers, lora);
  const features = await Promise.all(textsOf(model, request).map((text) => encode(text, loras)));
  const frame = framing(model, request);
  const conditions = features.map((told) => ({ ...told, ...frame }));
  const [h, w] = [height / latentFactor, width / latentFactor];
  return { height: h, width: w, sampler, state: sampler.start(noise), i: 0, loras, guidanceScale, conditions };
}

export const finished = ({ i, sampler }: Denoising): boolean => i === sampler.timesteps.length;

/** One step, through the network together, of pictures of one size, none of them finished; everything else may differ. */
export async function step({ programs }: Pipeline, pictures: readonly Denoising[]): Promise<Denoising[]> {
  const unet = await programs.unet();
  const places = pictures.flatMap((picture) => picture.conditions.map((conditions) => ({ picture, conditions })));
  const [first] = pictures;
  if (!first) return [];
  const inputs = new Map(pictures.map((picture) => [picture, picture.sampler.input(picture.state, picture.i)]));
  const samples = places.map(({ picture }) => inputs.get(picture) ?? new Float32Array());
  const timesteps = places.map(({ picture: { sampler, i } }) => sampler.timesteps[i] ?? Number.NaN);
  const { prediction } = await unet.run({
    ...stack(places.map(({ conditions }) => conditions)),
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
    return { ...picture, state: picture.sampler.step(picture.state, output, picture.i), i: picture.i + 1 };
  });
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
