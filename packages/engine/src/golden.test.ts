import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { adapt, buildDecoder, buildEncoder, buildText, buildUnet, type Model, perPicture, readModel, weightsOf } from './families/model.ts';
import { compile, type Numbers } from './graph/compile.ts';
import { Graph } from './graph/tensor.ts';

const fixtures = fileURLToPath(new URL('../fixtures/sd-tiny/', import.meta.url));
const bytes = readFileSync(`${fixtures}golden.safetensors`);
const headerLength = Number(bytes.readBigUInt64LE());
const header: Record<string, { shape: number[]; data_offsets: [number, number] }> = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength));

/** Tensors that PyTorch computed, as float32. */
function golden(name: string): Numbers & { data: Float32Array } {
  const entry = header[name];
  if (!entry) throw new Error(`no golden tensor ${name}`);
  const [begin, end] = entry.data_offsets.map((offset) => offset + 8 + headerLength);
  return { data: new Float32Array(Uint8Array.from(bytes.subarray(begin, end)).buffer), dims: entry.shape };
}

console.log(Object.entries(header).filter(([k])=>k.startsWith('text')||k.startsWith('unet')).map(([k,v])=>`${k} ${JSON.stringify(v)}`));
const norm = (values: ArrayLike<number>) => Math.hypot(...Array.from(values));
const relativeError = (got: Float32Array, want: Float32Array) => norm(got.map((value, i) => value - (want[i] ?? Number.NaN))) / norm(want);

describe('the golden numbers of PyTorch', () => {
  let model: Model;
  beforeAll(async () => {
    model = await readModel(`${fixtures}model`);
  });

  it('unet', async () => {
    const graph = new Graph();
    const sample = graph.input('sample', [null, 4, null, null]);
    const timesteps = graph.input('timesteps', [null]);
    const context = graph.input('context', [null, 77, model.unet.cross_attention_dim]);
    const weights = adapt(await weightsOf(model, 'unet', graph), 'unet', graph, perPicture);
    const program = await compile({ prediction: buildUnet(model, weights, sample, timesteps, context) });
    const lora = Object.fromEntries(
      weights.adapted.flatMap(({ module, inFeatures, outFeatures }) => [
        [`${module}.down`, { data: new Float32Array(0), dims: [1, 0, inFeatures] }],
        [`${module}.up`, { data: new Float32Array(0), dims: [1, outFeatures, 0] }],
      ]),
    );
    const text = golden('text.last_hidden_state');
    const row = 77 * 32;
    const { prediction } = await program.run({
      sample: golden('unet.sample'), timesteps: { data: Float32Array.of(1, 500, 981), dims: [3] },
      context: { data: text.data.subarray(0, 3 * row), dims: [3, 77, 32] }, ...lora });
    expect(relativeError(prediction, golden('unet.noise_pred').data)).toBeLessThan(1e-4);
    const wide = await program.run({
      sample: golden('unet.sample_wide'), timesteps: { data: Float32Array.of(321), dims: [1] },
      context: { data: text.data.subarray(0, row), dims: [1, 77, 32] }, ...lora });
    expect(relativeError(wide.prediction, golden('unet.noise_pred_wide').data)).toBeLessThan(1e-4);
  });
  it('vae', async () => {
    const graph = new Graph();
    const weights = await weightsOf(model, 'vae', graph);
    const { mean, logVariance } = buildEncoder(model, weights, graph.input('pictures', [null, 3, null, null]));
    const program = await compile({ mean, logVariance });
    const out = await program.run({ pictures: golden('vae.image') });
    expect(relativeError(out.mean, golden('vae.mean').data)).toBeLessThan(1e-4);
    expect(relativeError(out.logVariance, golden('vae.logvar').data)).toBeLessThan(1e-4);
    const decoder = await compile({ picture: buildDecoder(model, weights, graph.input('latents', [null, 4, null, null])) });
    const { picture } = await decoder.run({ latents: golden('vae.mean') });
    expect(relativeError(picture, golden('vae.decoded').data)).toBeLessThan(1e-4);
  });
  it('text', async () => {
    const graph = new Graph();
    const ids = graph.input('ids', [null, 77], 'int64');
    const program = await compile({ features: buildText(model, await weightsOf(model, 'text', graph), ids) });
    const i = golden('text.input_ids');
    const { features } = await program.run({ ids: { data: BigInt64Array.from(i.data, (x) => BigInt(x)), dims: [4, 77] } });
    expect(relativeError(features, golden('text.last_hidden_state').data)).toBeLessThan(1e-4);
  });
});
