import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { pack, packer } from '../src/adapters.ts';
import { loraFrom } from '../src/files/lora.ts';
import { type Lora, openBatch, openPipeline, type Pipeline, readLora, resultOf, version, writeKohya } from '../src/index.ts';
import type { WeightedLora } from '../src/lora.ts';
import { conditionsOf } from './conditions.ts';
import { measure, show } from './measure.ts';
import { writeRandomModel } from './random-model.ts';
import { measureTraining, type TrainingRounds } from './training.ts';

/*
 * `npm run bench`: medians of several rounds, with nothing else running beside. `--model emoji` leaves out Stable Diffusion 1.5's
 * sizes, whose random weights take 1.9 GB of disk and some minutes; `--part training` or `generation` leaves out the other.
 */

const { values } = parseArgs({
  options: { model: { type: 'string', default: 'all' }, part: { type: 'string', default: 'all' } },
});

type Layer = { module: string; inFeatures: number; outFeatures: number };

/** A LoRA on every attention projection. */
function randomLora(layers: readonly Layer[], seed: number, rank = 8): Lora {
  const half = (length: number) => Float32Array.from({ length }, (_, i) => Math.sin(i * 0.37 + seed) * 0.01);
  const attention = layers.filter(({ module }) => /attn[12]\.to_/.test(module));
  return loraFrom(
    new Map(
      attention.map(({ module, inFeatures, outFeatures }) => [
        module,
        { down: half(rank * inFeatures), up: half(outFeatures * rank), rank, inFeatures, outFeatures, alpha: rank },
      ]),
    ),
  );
}

async function steps(pipeline: Pipeline, loras: readonly Lora[], side: number, rounds: number): Promise<void> {
  const unet = await pipeline.programs.unet();
  const run = (sets: readonly (readonly WeightedLora[])[]) => {
    const places = sets.length;
    const inputs = {
      sample: { data: new Float32Array(places * 4 * side ** 2).fill(0.5), dims: [places, 4, side, side] },
      timesteps: { data: new Float32Array(places).fill(500), dims: [places] },
      ...conditionsOf(pipeline, places),
    };
    return () => unet.run({ ...inputs, ...pack(unet, sets) });
  };
  const one = (i: number) => [{ lora: loras[i] ?? loraFrom(new Map()), weight: 1 }];
  const all = (places: number, which: (place: number) => readonly WeightedLora[]) =>
    Array.from({ length: places }, (_, i) => which(i));
  const times = await measure(rounds, {
    plain: run([[]]),
    one: run([one(0)]),
    four: run(all(4, () => one(0))),
    eight: run(all(8, () => one(0))),
    mixed: run(all(8, one)),
  });
  show('denoising step, batch 1, no LoRA', times('plain'));
  show('denoising step, batch 1, one LoRA', times('one'), `${(times('one') / times('plain')).toFixed(2)} × without`);
  show(
    'denoising step, batch 4, the same LoRA',
    times('four'),
    `${(times('four') / 4 / times('one')).toFixed(2)} × batch 1, per picture`,
  );
  show(
    'denoising step, batch 8, the same LoRA',
    times('eight'),
    `${(times('eight') / 8 / times('one')).toFixed(2)} × batch 1, per picture`,
  );
  show(
    'denoising step, batch 8, eight LoRAs',
    times('mixed'),
    `${(times('mixed') / times('eight')).toFixed(2)} × the same LoRA (goal: ≤ 1.10)`,
  );
}

async function switches(layers: readonly Layer[], rounds: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'loraloom-bench-'));
  try {
    // The rank that makes the file about 20 MB, in float16.
    const perRank = [...randomLora(layers, 0, 1).modules.values()].reduce(
      (sum, { down, up }) => sum + 2 * (down.length + up.length),
      0,
    );
    const rank = Math.max(1, Math.min(128, Math.round(20e6 / perRank)));
    const path = join(folder, 'lora.safetensors');
    await writeKohya(path, randomLora(layers, 1, rank));
    const lora = await readLora(path);
    const warm = packer(layers);
    const sets = [lora, loraFrom(new Map())].map((one) => [[{ lora: one, weight: 1 }]]);
    for (const set of sets) warm(set);
    let turn = 0;
    const times = await measure(rounds, {
      warm: async () => warm(sets[turn++ % 2] ?? []),
      cold: async () => packer(layers)([[{ lora: await readLora(path), weight: 1 }]]),
    });
    show('LoRA switch, warm', times('warm'), 'goal: < 2 ms');
    show(
      `LoRA switch, from disk (${((perRank * rank) / 1e6).toFixed(1)} MB, rank ${rank})`,
      times('cold'),
      'goal: < 50 ms for 20 MB',
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Sixty-four requests with eight LoRAs, two samplers and several numbers of steps: in one running batch, and one after another. */
async function burst(pipeline: Pipeline, loras: readonly Lora[]): Promise<void> {
  const { resolution } = pipeline;
  const requests = Array.from({ length: 64 }, (_, i) => ({
    prompt: `number ${i % 5}`,
    negativePrompt: '',
    seed: i,
    loras: loras.slice(i % 8, (i % 8) + 1).map((lora) => ({ lora, weight: 1 })),
    width: resolution,
    height: resolution,
    steps: 8 + (i % 5),
    guidanceScale: i % 3 === 0 ? 1 : 3,
    sampler: i % 2 === 0 ? ('ddim' as const) : ('euler' as const),
  }));
  const batch = openBatch(pipeline, 8);
  const times = await measure(3, {
    together: () => Promise.all(requests.map((request) => resultOf(batch.generate(request)))),
    alone: async () => {
      for (const request of requests) await resultOf(batch.generate(request));
    },
  });
  const rate = (time: number) => `${((64 * 1000) / time).toFixed(1)} pictures a second`;
  show('64 mixed requests, one after another', times('alone'), rate(times('alone')));
  show(
    '64 mixed requests, in a batch of 8',
    times('together'),
    `${rate(times('together'))}, ${(times('alone') / times('together')).toFixed(2)} × as many`,
  );
}

async function generation(name: string, folder: string, side: number, rounds: number): Promise<void> {
  const begun = performance.now();
  const pipeline = await openPipeline(folder);
  const unet = await pipeline.programs.unet();
  show('open the UNet', performance.now() - begun);
  const loras = Array.from({ length: 8 }, (_, seed) => randomLora(unet.layers, seed));
  await steps(pipeline, loras, side, rounds);
  await switches(unet.layers, Math.max(rounds, 9));
  if (name === 'emoji base') await burst(pipeline, loras);
  await pipeline.close();
  console.log(`  peak memory so far ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB`);
}

async function model(name: string, folder: string, side: number, rounds: number, training: TrainingRounds): Promise<void> {
  console.log(`${name}, latents ${side} × ${side}`);
  if (values.part !== 'training') await generation(name, folder, side, rounds);
  if (values.part !== 'generation') await measureTraining(folder, training);
  console.log('');
}

console.log(`Loraloom engine ${version}, Node ${process.version}, medians\n`);
await model('emoji base', fileURLToPath(new URL('../../emoji-base/model', import.meta.url)), 16, 15, {
  ...{ batch: 4, rounds: 9, passes: 3, pictures: 16 },
});
if (values.model === 'all') {
  const folder = await mkdtemp(join(tmpdir(), 'loraloom-bench-'));
  try {
    await writeRandomModel(folder, fileURLToPath(new URL('../fixtures/sd-tiny/model', import.meta.url)));
    await model('Stable Diffusion 1.5 sizes, random weights', folder, 32, 3, { batch: 1, rounds: 3, passes: 1, pictures: 4 });
  } finally {
    await rm(folder, { recursive: true });
  }
}
