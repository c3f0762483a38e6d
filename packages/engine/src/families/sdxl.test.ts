import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { beside, clip, projected, type Told, unet, type Weights } from '../../test/reference.ts';
import * as sizes from '../../test/sdxl-tiny.ts';
import { readTensors } from '../files/safetensors.ts';
import { randomFrom } from '../random.ts';
import { encodeText, framing, stack, textsOf, tokens } from './conditions.ts';
import { openPipeline, type Pipeline } from './pipeline.ts';

/*
 * Stable Diffusion XL against a second implementation of its networks in plain loops over float64 (test/reference.ts), on a tiny model.
 */

let folder: string;
let pipeline: Pipeline;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdxl-'));
  await sizes.writeTinySdxl(folder);
  pipeline = await openPipeline(folder);
});
afterAll(async () => {
  await pipeline.close();
  await rm(folder, { recursive: true });
});

async function weightsOf(path: string): Promise<Weights> {
  const { tensors } = await readTensors(join(folder, path));
  return (name) => {
    const found = tensors.get(name);
    return { data: found?.data ?? [], dims: found?.shape ?? [] };
  };
}

const norm = (values: ArrayLike<number>) => Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0));
function relativeError(got: ArrayLike<number> | undefined, want: ArrayLike<number>): number {
  expect(got?.length).toBe(want.length);
  return norm(Array.from(want, (value, i) => value - (got?.[i] ?? Number.NaN))) / norm(want);
}

const idsOf = (name: string, text: string) => Array.from(tokens(pipeline, [text])[name]?.data ?? [], Number);

/** What both text encoders make of a text, by the reference. */
async function reference(text: string) {
  const [first, second] = [
    await weightsOf('text_encoder/model.safetensors'),
    await weightsOf('text_encoder_2/model.safetensors'),
  ];
  const ids = idsOf('ids_2', text);
  const one = clip(first, sizes.text_encoder, idsOf('ids', text));
  const two = clip(second, sizes.text_encoder_2, ids);
  const [a, b] = [one.hidden.at(-2), two.hidden.at(-2)];
  if (!a || !b) throw new Error('hidden states wanted');
  return { context: beside(a, b), pooled: projected(second, two.last, ids.indexOf(691)) };
}

describe('text', () => {
  it('is padded with end tokens for the first encoder and with "!" for the second', () => {
    const [first, second] = [idsOf('ids', 'a cat'), idsOf('ids_2', 'a cat')];
    const end = first.indexOf(691);
    expect(end).toBeGreaterThan(1);
    expect(first.slice(end)).toEqual(new Array(77 - end).fill(691));
    expect(second.slice(0, end + 1)).toEqual(first.slice(0, end + 1));
    expect(second.slice(end + 1)).toEqual(new Array(76 - end).fill(0));
  });

  it.each(['a photo of a cat on a red sofa', '', 'sneakers '.repeat(90)])(
    'is encoded as the reference encodes it: %j',
    async (text) => {
      const { context, pooled } = await encodeText(pipeline, text, (await pipeline.programs.text()).pack([[]]));
      const want = await reference(text);
      expect([context?.dims, pooled?.dims]).toEqual([
        [1, 77, 40],
        [1, 20],
      ]);
      expect(relativeError(context?.data, want.context.data)).toBeLessThan(1e-5);
      expect(relativeError(pooled?.data, want.pooled)).toBeLessThan(1e-5);
    },
  );

  it('is silence where no negative prompt is given, and only there', () => {
    const request = { prompt: '', negativePrompt: '', guidanceScale: 5 };
    expect(textsOf(pipeline.model, request)).toEqual([null, '']);
    expect(textsOf(pipeline.model, { ...request, negativePrompt: 'blurry' })).toEqual(['blurry', '']);
    expect(textsOf(pipeline.model, { ...request, guidanceScale: 1 })).toEqual(['']);
    expect(textsOf({ ...pipeline.model, emptyIsSilent: false }, request)).toEqual(['', '']);
  });

  it('is zeros where it is silence', async () => {
    const silence = await encodeText(pipeline, null, {});
    expect(Object.keys(silence).sort()).toEqual(['context', 'pooled']);
    expect(Object.values(silence).every(({ data }) => data.length > 0 && data.every((value) => value === 0))).toBe(true);
  });
});

const frames = [
  { width: 64, height: 64 },
  { width: 64, height: 64, original: { width: 1024, height: 768 }, crop: { left: 7, top: 33 } },
];
const sample = (seed: number, h: number, w: number) => randomFrom(seed).fillNormal(new Float32Array(4 * h * w));

async function predictionOf(
  text: string,
  frame: (typeof frames)[number],
  timestep: number,
  latents: Float32Array,
  h: number,
  w: number,
) {
  const { width, height, original = { width, height }, crop = { left: 0, top: 0 } } = frame;
  const told: Told = {
    ...(await reference(text)),
    timestep,
    sizes: [original.height, original.width, crop.top, crop.left, height, width],
  };
  const image = { channels: 4, height: h, width: w, data: Float64Array.from(latents) };
  return unet(await weightsOf('unet/diffusion_pytorch_model.safetensors'), sizes.unet, image, told).data;
}

describe('the UNet', () => {
  it('knows the sizes in their order: original, crop, target, each height first', () => {
    const [plain, cropped] = frames.map((frame) => Array.from(framing(pipeline.model, frame).sizes?.data ?? []));
    expect(plain).toEqual([64, 64, 0, 0, 64, 64]);
    expect(cropped).toEqual([768, 1024, 33, 7, 64, 64]);
  });

  it('predicts what the reference predicts, each picture with its own text, sizes and time', async () => {
    const program = await pipeline.programs.unet();
    const { pack } = await pipeline.programs.text();
    const texts = ['a photo of a cat', 'mountains'];
    const conditions = await Promise.all(
      texts.map(async (text, i) => ({
        ...(await encodeText(pipeline, text, pack([[]]))),
        ...framing(pipeline.model, frames[i] ?? { width: 0, height: 0 }),
      })),
    );
    const latents = [sample(1, 16, 8), sample(2, 16, 8)];
    const { prediction } = await program.run({
      ...stack(conditions),
      sample: { data: Float32Array.from(latents.flatMap((values) => [...values])), dims: [2, 4, 16, 8] },
      timesteps: { data: Float32Array.of(999, 250), dims: [2] },
      ...program.pack([[], []]),
    });
    for (const [i, timestep] of [999, 250].entries()) {
      const want = await predictionOf(
        texts[i] ?? '',
        frames[i] ?? { width: 0, height: 0 },
        timestep,
        latents[i] ?? new Float32Array(),
        16,
        8,
      );
      expect(relativeError(prediction.subarray(i * 512, (i + 1) * 512), want)).toBeLessThan(1e-4);
    }
  });
});
