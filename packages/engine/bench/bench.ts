import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loraFrom } from '../src/files/lora.ts';
import { type Lora, openPipeline, type Pipeline, version } from '../src/index.ts';
import { packLoras } from '../src/lora.ts';
import { loraObjective } from '../src/train.ts';
import { writeRandomModel } from './random-model.ts';

/*
 * `npm run bench`: medians of several runs, with nothing else running beside. `--model emoji` leaves out Stable Diffusion 1.5's
 * sizes, whose random weights take 1.7 GB of disk and some minutes.
 */

const { values } = parseArgs({ options: { model: { type: 'string', default: 'all' } } });

const median = (times: number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;

async function timed(runs: number, work: () => Promise<unknown>): Promise<number> {
  await work();
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    const begun = performance.now();
    await work();
    times.push(performance.now() - begun);
  }
  return median(times);
}

const show = (what: string, milliseconds: number, note = '') =>
  console.log(`  ${what.padEnd(42)} ${milliseconds.toFixed(1).padStart(10)} ms  ${note}`);

/** A LoRA of rank 8 on every attention projection. */
function randomLora(layers: readonly { module: string; inFeatures: number; outFeatures: number }[], seed: number): Lora {
  const half = (length: number) => Float32Array.from({ length }, (_, i) => Math.sin(i * 0.37 + seed) * 0.01);
  const attention = layers.filter(({ module }) => /attn[12]\.to_/.test(module));
  return loraFrom(
    new Map(
      attention.map(({ module, inFeatures, outFeatures }) => [
        module,
        { down: half(8 * inFeatures), up: half(outFeatures * 8), rank: 8, inFeatures, outFeatures, alpha: 8 },
      ]),
    ),
  );
}

async function measure(name: string, folder: string, latentSide: number, runs: number, training: boolean): Promise<void> {
  console.log(`${name}, latents ${latentSide} × ${latentSide}`);
  const begun = performance.now();
  const pipeline: Pipeline = await openPipeline(folder);
  const unet = await pipeline.programs.unet();
  show('open the UNet', performance.now() - begun);
  const width = pipeline.model.unet.cross_attention_dim;
  const loras = [1, 2, 3, 4].map((seed) => randomLora(unet.layers, seed));
  const step = (batch: number, sets: Parameters<typeof packLoras>[1]) => {
    const adapters = packLoras(unet.layers, sets);
    const inputs = {
      sample: { data: new Float32Array(batch * 4 * latentSide ** 2).fill(0.5), dims: [batch, 4, latentSide, latentSide] },
      timesteps: { data: new Float32Array(batch).fill(500), dims: [batch] },
      context: { data: new Float32Array(batch * 77 * width).fill(0.1), dims: [batch, 77, width] },
    };
    return timed(runs, () => unet.run({ ...inputs, ...adapters }));
  };
  const one = (i: number) => (loras[i] ? [{ lora: loras[i], weight: 1 }] : []);
  const plain = await step(1, [[]]);
  show('denoising step, batch 1, no LoRA', plain);
  const adapted = await step(1, [one(0)]);
  show('denoising step, batch 1, one LoRA', adapted, `${(adapted / plain).toFixed(2)} × without`);
  const same = await step(4, [one(0), one(0), one(0), one(0)]);
  show('denoising step, batch 4, the same LoRA', same, `${(same / 4 / adapted).toFixed(2)} × batch 1, per picture`);
  const mixed = await step(4, [one(0), one(1), one(2), one(3)]);
  show('denoising step, batch 4, four LoRAs', mixed, `${(mixed / same).toFixed(2)} × the same LoRA`);
  let turn = 0;
  show('LoRA switch (packing its inputs)', await timed(runs, async () => packLoras(unet.layers, [one(turn++ % 4)])));
  if (training) {
    const options = { rank: 8, alpha: 8, batchSize: 1, seed: 1, targets: 'attention', trainTextEncoder: false } as const;
    const { trained, evaluate, close } = await loraObjective(pipeline, options);
    const side = pipeline.resolution / pipeline.latentFactor;
    const latents = { data: new Float32Array(4 * side ** 2).fill(0.5), dims: [1, 4, side, side] };
    const scalar = { data: Float32Array.of(1), dims: [1] };
    const context = { data: new Float32Array(77 * width).fill(0.1), dims: [1, 77, width] };
    const inputs = { sample: latents, target: latents, timesteps: scalar, weight: scalar, context };
    show(`training step, batch 1, rank 8, ${side} × ${side}`, await timed(Math.min(runs, 3), () => evaluate(trained, inputs)));
    await close();
  }
  await pipeline.close();
  console.log(`  peak memory so far ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB\n`);
}

console.log(`Loraloom engine ${version}, Node ${process.version}, medians\n`);
await measure('emoji base', fileURLToPath(new URL('../../emoji-base/model', import.meta.url)), 16, 15, true);
if (values.model === 'all') {
  const folder = await mkdtemp(join(tmpdir(), 'loraloom-bench-'));
  try {
    await writeRandomModel(folder, fileURLToPath(new URL('../fixtures/sd-tiny/model', import.meta.url)));
    await measure('Stable Diffusion 1.5 sizes, random weights', folder, 32, 3, true);
  } finally {
    await rm(folder, { recursive: true });
  }
}
