import { join } from 'node:path';
import { pack } from '../src/adapters.ts';
import { encodeText, type Frame, framing, stack, tokens } from '../src/families/conditions.ts';
import type { Pipeline } from '../src/families/pipeline.ts';
import type { Lora } from '../src/files/lora.ts';
import { readTensors } from '../src/files/safetensors.ts';
import { randomFrom } from '../src/random.ts';
import { beside, clip, projected, type Told, unet, type Weights } from './reference.ts';
import * as tiny from './sdxl-tiny.ts';

/*
 * What the tiny Stable Diffusion XL must give, by the second implementation in `reference.ts`.
 */

/** A file's weights, those of layers that LoRAs adapt with up · down added. */
export async function weightsIn(
  path: string,
  prefix = '',
  { modules }: Pick<Lora, 'modules'> = { modules: new Map() },
): Promise<Weights> {
  const { tensors } = await readTensors(path);
  const weights = new Map(
    [...tensors].map(([name, { data, shape: dims }]): [string, ReturnType<Weights>] => [name, { data, dims }]),
  );
  for (const [module, { down, up, rank, inFeatures, alpha }] of modules) {
    const name = `${module.slice(prefix.length)}.weight`;
    const weight = module.startsWith(prefix) ? weights.get(name) : undefined;
    if (!weight) continue;
    const merged = Float64Array.from(weight.data, (value, i) => {
      const [row, column] = [Math.floor(i / inFeatures), i % inFeatures];
      let sum = 0;
      for (let r = 0; r < rank; r++) sum += (up[row * rank + r] ?? 0) * (down[r * inFeatures + column] ?? 0);
      return value + (alpha / rank) * sum;
    });
    weights.set(name, { ...weight, data: merged });
  }
  return (name) => weights.get(name) ?? { data: [], dims: [] };
}

const norm = (values: ArrayLike<number>) => Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0));
/** ‖got − want‖ / ‖want‖ */
export function relativeError(got: ArrayLike<number> | undefined, want: ArrayLike<number>): number {
  if (got?.length !== want.length) throw new Error(`${got?.length} numbers where ${want.length} are wanted`);
  return norm(Array.from(want, (value, i) => value - (got?.[i] ?? Number.NaN))) / norm(want);
}

/** A text as one of the encoders reads it. */
export const idsOf = (pipeline: Pipeline, name: string, text: string) =>
  Array.from(tokens(pipeline, [text])[name]?.data ?? [], Number);

/** What both text encoders make of a text, by the second implementation. */
export async function expectedText(pipeline: Pipeline, text: string, lora?: Lora) {
  const { folder } = pipeline.model;
  const first = await weightsIn(join(folder, 'text_encoder/model.safetensors'), 'text_encoder.', lora);
  const second = await weightsIn(join(folder, 'text_encoder_2/model.safetensors'), 'text_encoder_2.', lora);
  const ids = idsOf(pipeline, 'ids_2', text);
  const one = clip(first, tiny.text_encoder, idsOf(pipeline, 'ids', text));
  const two = clip(second, tiny.text_encoder_2, ids);
  const [a, b] = [one.hidden.at(-2), two.hidden.at(-2)];
  if (!a || !b) throw new Error('hidden states wanted');
  return { context: beside(a, b), pooled: projected(second, two.last, ids.indexOf(691)) };
}

export interface Case {
  text: string;
  timestep: number;
  latents: Float32Array;
  frame: Frame;
  lora?: Lora;
  /** Of the latents, 16 unless given. */
  height?: number;
  /** The guidance scale's waves. */
  guidance?: readonly number[];
}
/** What the UNet predicts for a picture, by the second implementation. */
export async function expectedPrediction(
  pipeline: Pipeline,
  { text, timestep, frame, latents, lora, height = 16, guidance }: Case,
): Promise<Float64Array> {
  const { original = frame, crop = { left: 0, top: 0 } } = frame;
  const { context, pooled } = await expectedText(pipeline, text, lora);
  const sizes = [original.height, original.width, crop.top, crop.left, frame.height, frame.width];
  const told: Told = { context, timestep, more: { pooled, sizes }, ...(guidance ? { guidance } : {}) };
  const image = { channels: 4, height, width: latents.length / 4 / height, data: Float64Array.from(latents) };
  const weights = await weightsIn(join(pipeline.model.folder, 'unet/diffusion_pytorch_model.safetensors'), 'unet.', lora);
  return unet(weights, tiny.unet, image, told).data;
}

export const latents = (seed: number) => randomFrom(seed).fillNormal(new Float32Array(4 * 16 * 8));
export const cat: Case = { text: 'a photo of a cat', timestep: 999, latents: latents(1), frame: { width: 32, height: 64 } };
/** The engine's predictions of several pictures in one batch. */
export async function predictions(pipeline: Pipeline, pictures: readonly Case[]): Promise<Float32Array[]> {
  const [text, program] = [await pipeline.programs.text(), await pipeline.programs.unet()];
  const sets = pictures.map(({ lora }) => (lora ? [{ lora, weight: 1 }] : []));
  const conditions = await Promise.all(
    pictures.map(async ({ text: words, frame }, i) => ({
      ...(await encodeText(pipeline, words, pack(text, [sets[i] ?? []]))),
      ...framing(pipeline.model, frame),
    })),
  );
  const { prediction } = await program.run({
    ...stack(conditions),
    sample: { data: Float32Array.from(pictures.flatMap((picture) => [...picture.latents])), dims: [pictures.length, 4, 16, 8] },
    timesteps: { data: Float32Array.from(pictures, ({ timestep }) => timestep), dims: [pictures.length] },
    ...pack(program, sets),
  });
  return pictures.map((_, i) => prediction.subarray(i * 512, (i + 1) * 512));
}
