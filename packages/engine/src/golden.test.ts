import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { begin, finished, latentsOf, step } from './denoise.ts';
import { tokens } from './families/conditions.ts';
import { openPipeline, type Pipeline } from './families/pipeline.ts';
import { readLora } from './files/index.ts';
import { readTensors } from './files/safetensors.ts';
import { decodeLatents } from './generate.ts';
import type { Numbers } from './graph/compile.ts';
import { packLoras, type WeightedLora } from './lora.ts';
import { adamW, adamWState } from './optimizers/adamw.ts';
import type { SamplerName } from './samplers/index.ts';
import { addNoise } from './samplers/schedule.ts';
import { loraObjective } from './train/objective.ts';

/*
 * The whole engine against what diffusers, transformers and PEFT compute on PyTorch from the same tiny pipeline (fixtures/README.md).
 */

const fixtures = fileURLToPath(new URL('../fixtures/sd-tiny/', import.meta.url));
const prompts = [
  'a photo of a cat on a red sofa',
  'INK wash   painting of mountains, 水墨 "quoted" café!!',
  '',
  'sneakers '.repeat(90),
];

let pipeline: Pipeline;
let golden: (name: string) => Numbers & { data: Float32Array };
let ink: WeightedLora['lora'];
let neon: WeightedLora['lora'];

beforeAll(async () => {
  pipeline = await openPipeline(`${fixtures}model`);
  const { tensors } = await readTensors(`${fixtures}golden.safetensors`);
  golden = (name) => {
    const tensor = tensors.get(name);
    if (!tensor) throw new Error(`no golden tensor ${name}`);
    return { data: tensor.data, dims: tensor.shape };
  };
  ink = await readLora(`${fixtures}lora/ink.kohya.safetensors`);
  neon = await readLora(`${fixtures}lora/neon.diffusers.safetensors`);
});

afterAll(() => pipeline.close());

const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

/** ‖got − want‖ / ‖want‖ */
function relativeError(got: Float32Array, want: Float32Array): number {
  expect(got.length).toBe(want.length);
  return norm(got.map((value, i) => value - (want[i] ?? Number.NaN))) / norm(want);
}

const textFeatures = async (texts: readonly string[], set: readonly WeightedLora[] = []) => {
  const text = await pipeline.programs.text();
  const { context } = await text.run({ ...tokens(pipeline, texts), ...packLoras(text.layers, [set]) });
  return context ?? new Float32Array();
};

const noisePrediction = async (context: Float32Array, set: readonly WeightedLora[] = []) => {
  const unet = await pipeline.programs.unet();
  const inputs = {
    sample: golden('unet.sample'),
    timesteps: golden('unet.timestep'),
    context: { data: context, dims: [3, 77, 32] },
  };
  return (await unet.run({ ...inputs, ...packLoras(unet.layers, [set]) })).prediction;
};

const finalLatents = async (sampler: SamplerName, loras: readonly WeightedLora[] = []) => {
  const noise = golden('sample.initial_noise').data;
  const common = { width: 64, height: 64, seed: 0, steps: 8, guidanceScale: 5, sampler, loras };
  const begun = [
    begin(pipeline, { ...common, prompt: prompts[0] ?? '', negativePrompt: 'blurry' }, { noise: noise.subarray(0, 1024) }),
    begin(pipeline, { ...common, prompt: prompts[1] ?? '', negativePrompt: '' }, { noise: noise.subarray(1024) }),
  ];
  let pictures = await Promise.all(begun);
  while (!pictures.every(finished)) pictures = await step(pipeline, pictures);
  return pictures.map(latentsOf);
};

const joined = (arrays: readonly Float32Array[]) => Float32Array.from(arrays.flatMap((array) => [...array]));

describe('against PyTorch', () => {
  it('tokenizes and encodes text', async () => {
    expect([...(tokens(pipeline, prompts).ids?.data ?? [])].map(Number)).toEqual([...golden('text.input_ids').data]);
    expect(relativeError(await textFeatures(prompts), golden('text.last_hidden_state').data)).toBeLessThan(1e-4);
  });

  it('predicts noise, a timestep for each picture, at any size', async () => {
    const features = golden('text.last_hidden_state').data;
    expect(relativeError(await noisePrediction(features.subarray(0, 3 * 77 * 32)), golden('unet.noise_pred').data)).toBeLessThan(
      1e-4,
    );
    const unet = await pipeline.programs.unet();
    const { prediction } = await unet.run({
      sample: golden('unet.sample_wide'),
      timesteps: { data: Float32Array.of(321), dims: [1] },
      context: { data: features.subarray(0, 77 * 32), dims: [1, 77, 32] },
      ...packLoras(unet.layers, [[]]),
    });
    expect(relativeError(prediction, golden('unet.noise_pred_wide').data)).toBeLessThan(1e-4);
  });

  it('encodes and decodes pictures', async () => {
    const { mean, logVariance } = await (await pipeline.programs.encoder()).run({ pictures: golden('vae.image') });
    expect(relativeError(mean, golden('vae.mean').data)).toBeLessThan(1e-4);
    expect(relativeError(logVariance, golden('vae.logvar').data)).toBeLessThan(1e-4);
    const { pictures } = await (await pipeline.programs.decoder()).run({ latents: golden('vae.mean') });
    expect(relativeError(pictures, golden('vae.decoded').data)).toBeLessThan(1e-4);
  });

  it.each(['ddim', 'pndm', 'euler', 'dpmpp_2m', 'dpmpp_2m_karras', 'unipc'] as const)('samples with %s', async (sampler) => {
    const latents = await finalLatents(sampler);
    expect(relativeError(joined(latents), golden(`sample.${sampler}.latents`).data)).toBeLessThan(1e-3);
  });

  it('decodes what it sampled to pixels', async () => {
    const latents = golden('sample.ddim.latents').data;
    const picture = await decodeLatents(pipeline, latents.subarray(0, 1024), 64, 64);
    const planes = golden('sample.ddim.image').data;
    const wanted = Array.from({ length: 3 * 64 * 64 }, (_, i) =>
      Math.min(255, Math.max(0, ((planes[(i % 3) * 4096 + Math.floor(i / 3)] ?? 0) + 1) * 127.5)),
    );
    expect(Math.max(...wanted.map((value, i) => Math.abs(value - (picture.data[i] ?? Number.NaN))))).toBeLessThan(0.51);
  });

  it.each([
    ['ink_1.0', 1, 0],
    ['ink_0.5', 0.5, 0],
    ['ink_0.8_neon_0.6', 0.8, 0.6],
  ])('adapts text encoder and UNet with LoRAs: %s', async (name, inkWeight, neonWeight) => {
    const set = [
      { lora: ink, weight: inkWeight },
      { lora: neon, weight: neonWeight },
    ];
    const features = await textFeatures(prompts, set);
    expect(relativeError(features, golden(`lora.${name}.text`).data)).toBeLessThan(1e-3);
    expect(
      relativeError(await noisePrediction(features.subarray(0, 3 * 77 * 32), set), golden(`lora.${name}.noise_pred`).data),
    ).toBeLessThan(1e-3);
    expect(relativeError(joined(await finalLatents('ddim', set)), golden(`lora.${name}.ddim_latents`).data)).toBeLessThan(1e-3);
  });

  it('trains a LoRA: losses, gradients, and weights after three steps of AdamW', async () => {
    const { trained, evaluate, close } = await loraObjective(pipeline, {
      rank: 4,
      alpha: 4,
      seed: 0,
      targets: 'attention',
      trainTextEncoder: false,
    });
    const peft = (name: string) => name.replace(/\.down$/, '.lora_A.weight').replace(/\.up$/, '.lora_B.weight');
    for (const { name, begin } of trained.layout) trained.values.set(golden(`train.init.${peft(name)}`).data, begin);
    const context = { data: golden('text.last_hidden_state').data.subarray(0, 2 * 77 * 32), dims: [2, 77, 32] };
    const latents = golden('train.latents').data;
    let moments = adamWState(trained.values.length);
    for (const i of [0, 1, 2]) {
      const noise = golden(`train.${i}.noise`);
      const timesteps = golden(`train.${i}.timesteps`);
      const rows = [0, 1].map((row) =>
        addNoise(
          pipeline.schedule,
          latents.subarray(row * 1024, (row + 1) * 1024),
          noise.data.subarray(row * 1024, (row + 1) * 1024),
          timesteps.data[row] ?? -1,
        ),
      );
      const sample = { data: joined(rows), dims: [2, 4, 16, 16] };
      const { loss, gradients } = await evaluate(trained, {
        sample,
        target: noise,
        timesteps,
        context,
        weight: { data: Float32Array.of(1, 1), dims: [2] },
      });
      const want = golden(`train.${i}.loss`).data[0] ?? Number.NaN;
      expect(Math.abs(loss - want) / want).toBeLessThan(1e-4);
      if (i === 0) {
        for (const { name, begin, end } of trained.layout) {
          const wanted = golden(`train.0.grad.${peft(name)}`).data;
          if (norm(wanted) === 0) expect(norm(gradients.subarray(begin, end))).toBe(0);
          else expect(relativeError(gradients.subarray(begin, end), wanted)).toBeLessThan(1e-4);
        }
      }
      moments = adamW(trained.values, gradients, moments, { learningRate: 1e-3 });
    }
    for (const { name, begin, end } of trained.layout) {
      expect(relativeError(trained.values.subarray(begin, end), golden(`train.final.${peft(name)}`).data)).toBeLessThan(1e-3);
    }
    await close();
  });
});
