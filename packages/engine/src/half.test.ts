import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tokens } from './families/conditions.ts';
import { openPipeline, type Pipeline } from './families/pipeline.ts';
import { readLora } from './files/index.ts';
import { readTensors, type StoredTensor } from './files/safetensors.ts';
import { compile } from './graph/compile.ts';
import { Graph } from './graph/graph.ts';
import { inHalf } from './graph/half.ts';
import { packLoras } from './lora.ts';

/*
 * float16 against the golden numbers, on the CPU, where onnxruntime casts around what it has only in float32, and leaves out casts
 * back and forth: the graph is a GPU's, its numbers are a little more exact.
 */

const fixtures = fileURLToPath(new URL('../fixtures/sd-tiny/', import.meta.url));

let pipeline: Pipeline;
let golden: Map<string, StoredTensor>;
beforeAll(async () => {
  pipeline = await openPipeline(`${fixtures}model`, { precision: 'float16' });
  golden = (await readTensors(`${fixtures}golden.safetensors`)).tensors;
});
afterAll(() => pipeline.close());

const goldenOf = (name: string) => {
  const { data, shape } = golden.get(name) ?? expect.unreachable();
  return { data, dims: shape };
};

/** ‖got − want‖ / ‖want‖; float16 has 11 bits, 5e-4 each time that it rounds. */
function expectHalf(got: Float32Array | undefined, name: string, most: number) {
  const { data } = goldenOf(name);
  expect(got?.length).toBe(data.length);
  const error = Math.hypot(...data.map((value, i) => value - (got?.[i] ?? Number.NaN))) / Math.hypot(...data);
  expect(error).toBeLessThan(most);
  // It is float16 indeed.
  expect(error).toBeGreaterThan(1e-5);
}

describe('in float16', () => {
  it('encodes text', async () => {
    const text = await pipeline.programs.text();
    const prompts = [
      'a photo of a cat on a red sofa',
      'INK wash   painting of mountains, 水墨 "quoted" café!!',
      '',
      'sneakers '.repeat(90),
    ];
    const { context } = await text.run({ ...tokens(pipeline, prompts), ...packLoras(text.layers, [[]]) });
    expectHalf(context, 'text.last_hidden_state', 2e-3);
  });

  it.each([
    ['unet.noise_pred', 'text.last_hidden_state', []],
    ['lora.ink_0.8_neon_0.6.noise_pred', 'lora.ink_0.8_neon_0.6.text', ['ink', 'neon']],
  ] as const)('predicts %s', async (prediction, text, names) => {
    const unet = await pipeline.programs.unet();
    const loras = await Promise.all(names.map((name) => readLora(`${fixtures}lora/${name}.kohya.safetensors`)));
    const set = loras.map((lora, i) => ({ lora, weight: i === 0 ? 0.8 : 0.6 }));
    const result = await unet.run({
      sample: goldenOf('unet.sample'),
      timesteps: goldenOf('unet.timestep'),
      context: { data: goldenOf(text).data.subarray(0, 3 * 77 * 32), dims: [3, 77, 32] },
      ...packLoras(unet.layers, [set]),
    });
    expectHalf(result.prediction, prediction, 4e-3);
  });

  it('leaves the autoencoder as it is', async () => {
    const { pictures } = await (await pipeline.programs.decoder()).run({ latents: goldenOf('vae.mean') });
    const { data } = goldenOf('vae.decoded');
    expect(Math.hypot(...data.map((value, i) => value - (pictures[i] ?? Number.NaN))) / Math.hypot(...data)).toBeLessThan(1e-4);
  });
});

describe('a graph in float16', () => {
  it('computes in it, but neither angles nor what a normalization squares', async () => {
    const graph = new Graph();
    const x = graph.input('x', [1, 1, null]);
    const results = { product: x.mul(3), angle: x.mul(1001).sin(), norm: x.mul(1000).instanceNorm(1e-5) };

    const half = inHalf(results);
    const typeOf = (op: string) => half.product.graph.nodes.find((node) => node.op === op)?.inputs.map(({ dtype }) => dtype);
    expect(typeOf('Sin')).toEqual(['float32']);
    expect(new Set(typeOf('InstanceNormalization'))).toEqual(new Set(['float32']));
    const { origin } = half.product;
    expect('node' in origin ? [origin.node.op, origin.node.inputs[0]?.dtype] : []).toEqual(['Cast', 'float16']);
    const program = await compile(half);
    const values = Float32Array.of(0.3, 0.7, -0.9, 0.1);
    const got = await program.run({ x: { data: values, dims: [1, 1, 4] } });
    // Of an angle of 900 float16 would not know the half.
    for (const [i, value] of values.entries()) expect(got.angle[i]).toBeCloseTo(Math.sin(Math.fround(value * 1001)), 4);
    await program.close();
  });

  it('takes weights that are float16 as they are', async () => {
    const graph = new Graph();
    const bytes = new Uint8Array(new Float16Array([1, 2, 3, 4]).buffer);
    const weight = graph.weight('w', [4], 'float16', { bytes });
    const half = inHalf({ y: graph.input('x', [4]).mul(weight.cast('float32')) });
    const product = 'node' in half.y.origin ? half.y.origin.node.inputs[0] : undefined;
    const factors = product && 'node' in product.origin ? product.origin.node.inputs : [];
    expect(factors.map(({ name, dtype }) => [name, dtype])[1]).toEqual(['w', 'float16']);
    const program = await compile(half);
    expect((await program.run({ x: { data: Float32Array.of(1, 1, 1, 0.5), dims: [4] } })).y).toEqual(Float32Array.of(1, 2, 3, 2));
    await program.close();
  });
});
