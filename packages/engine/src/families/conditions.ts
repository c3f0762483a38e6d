import type { Numbers } from '../graph/compile.ts';
import type { Dim } from '../graph/dims.ts';
import type { Graph } from '../graph/graph.ts';
import type { DType } from '../graph/node.ts';
import type { Tensor } from '../graph/tensor.ts';
import { tokenNames } from './family.ts';
import type { Model } from './model.ts';
import type { Pipeline } from './pipeline.ts';

/*
 * What the denoising network is told about a picture beside its latents and their time. Which numbers these are is the family's
 * affair: to everyone else they are records of named inputs, one record a picture, each input with a leading dimension of 1, so
 * that any pictures of one model stand together in a batch.
 *
 *   const texts = textsOf(model, request);                                  // the negative prompt's first, where one is wanted
 *   const features = await encodeText(pipeline, text, pack(encoder, [set])); // slow: worth keeping by model, text and LoRA set
 *   const conditions = { ...features, ...framing(model, request) };         // quick
 *   unet.run({ sample, timesteps, ...stack(places), ...pack(unet, sets) })
 *
 * In training the network is told the same: `graphInputs` are a graph's own inputs for it, of a fixed batch. The text's part is
 * encoded once a caption, or, where the text encoders are trained, made by `buildText` from `tokens` within the graph.
 */

/** One picture's named inputs, each with a leading dimension of 1; or a batch's. */
export type Conditions = Readonly<Record<string, Numbers & { data: Float32Array }>>;

/** Dimensions behind the batch's, by name. */
type Dims = Readonly<Record<string, readonly number[]>>;

/** What the text encoders read, what they give, and what else the network is told about a picture. */
export function inputsOf({ unet, towers }: Model): Record<'tokens' | 'features' | 'framing', Dims> {
  const tokens: Record<string, readonly number[]> = {};
  const features: Record<string, readonly number[]> = { context: [77, unet.cross_attention_dim] };
  for (const tower of towers) {
    const { ids, end } = tokenNames(tower);
    tokens[ids] = [77];
    if (!tower.pooled) continue;
    tokens[end] = [77];
    features.pooled = [tower.config.projection_dim];
  }
  return {
    tokens,
    features,
    framing: {
      ...(unet.addition_embed_type ? { sizes: [6] } : {}),
      ...(unet.time_cond_proj_dim ? { guidance: [unet.time_cond_proj_dim] } : {}),
    },
  };
}

/** Inputs of a graph, of `batch` pictures, or of any number where that is null. */
export function graphInputs(
  model: Model,
  graph: Graph,
  kind: keyof ReturnType<typeof inputsOf>,
  batch: Dim,
): Record<string, Tensor> {
  const type = (name: string): DType => (name.startsWith('ids') ? 'int64' : 'float32');
  return mapValues(inputsOf(model)[kind], (dims, name) => graph.input(name, [batch, ...dims], type(name)));
}

/** Texts as the text encoders read them. */
export function tokens({ model, tokenizers }: Pipeline, texts: readonly string[]): Record<string, Numbers> {
  const inputs: Record<string, Numbers> = {};
  for (const [i, tower] of model.towers.entries()) {
    const tokenizer = tokenizers[i] ?? tokenizers[0];
    const { ids, end } = tokenNames(tower);
    const encoded = texts.map((text) => tokenizer.encode(text));
    const dims = [texts.length, tokenizer.length];
    inputs[ids] = { data: BigInt64Array.from(encoded.flatMap((row) => Array.from(row, BigInt))), dims };
    if (!tower.pooled) continue;
    const ends = encoded.flatMap((row) => Array.from(row, (_, place) => Number(place === row.indexOf(tokenizer.end))));
    inputs[end] = { data: Float32Array.from(ends), dims };
  }
  return inputs;
}

/**
 * What a picture's text encodings are to be made from: the prompt last, before it the negative prompt if the picture is guided
 * away from one; null is no text at all.
 */
export function textsOf(
  { unet, emptyIsSilent }: Model,
  request: { prompt: string; negativePrompt: string; guidanceScale: number },
): (string | null)[] {
  const { prompt, negativePrompt, guidanceScale } = request;
  // A network that was taught guidance takes the scale as an input and needs no second opinion.
  if (guidanceScale === 1 || unet.time_cond_proj_dim) return [prompt];
  return [negativePrompt === '' && emptyIsSilent ? null : negativePrompt, prompt];
}

/**
 * What the text encoders make of a text.
 * @param adapters the text program's LoRA inputs
 */
export async function encodeText(
  pipeline: Pipeline,
  text: string | null,
  adapters: Readonly<Record<string, Numbers>>,
): Promise<Conditions> {
  const { features } = inputsOf(pipeline.model);
  if (text === null) {
    return mapValues(features, (dims) => ({ data: new Float32Array(dims.reduce((a, b) => a * b, 1)), dims: [1, ...dims] }));
  }
  const program = await pipeline.programs.text();
  const outputs = await program.run({ ...tokens(pipeline, [text]), ...adapters });
  return mapValues(features, (dims, name) => ({ data: outputs[name] ?? new Float32Array(), dims: [1, ...dims] }));
}

/** How a picture is framed: its sides in pixels and, of a training picture, what it was before it was scaled and cut. */
export interface Frame {
  width: number;
  height: number;
  original?: { width: number; height: number };
  /** Pixels of the scaled picture that were cut off. */
  crop?: { left: number; top: number };
  /** In generation; a training tells of none. */
  guidanceScale?: number;
}

/** What the network is told about a picture apart from its text. */
export function framing(model: Model, { width, height, original = { width, height }, crop, guidanceScale }: Frame): Conditions {
  const sizes = [original.height, original.width, crop?.top ?? 0, crop?.left ?? 0, height, width];
  return mapValues(inputsOf(model).framing, ([count = 0], name) => {
    if (name === 'sizes') return { data: Float32Array.from(sizes), dims: [1, count] };
    return {
      data: Float32Array.from(guidanceScale ? guidanceWaves(guidanceScale, count) : new Array(count).fill(0)),
      dims: [1, count],
    };
  });
}

/** Sinusoids of the guidance scale as latent consistency models know it (arXiv 2310.04378; diffusers' get_guidance_scale_embedding). */
function guidanceWaves(guidanceScale: number, count: number): number[] {
  const half = Math.floor(count / 2);
  const angles = Array.from(
    { length: half },
    (_, i) => (guidanceScale - 1) * 1000 * Math.exp((-Math.log(10000) * i) / (half - 1)),
  );
  return [...angles.map(Math.sin), ...angles.map(Math.cos), ...new Array<number>(count - 2 * half).fill(0)];
}

/** Several pictures' conditions as a batch's, in their order. */
export function stack(pictures: readonly Conditions[]): Conditions {
  const [first = {}] = pictures;
  return mapValues(first, ({ data: { length }, dims }, name) => {
    const data = new Float32Array(pictures.length * length);
    for (const [i, picture] of pictures.entries()) data.set(picture[name]?.data ?? [], i * length);
    return { data, dims: [pictures.length, ...dims.slice(1)] };
  });
}

const mapValues = <From, To>(
  record: Readonly<Record<string, From>>,
  value: (from: From, name: string) => To,
): Record<string, To> => Object.fromEntries(Object.entries(record).map(([name, from]) => [name, value(from, name)]));
