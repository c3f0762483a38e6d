import { fileURLToPath } from 'node:url';
import { tokens } from '../src/families/conditions.ts';
import { openPipeline } from '../src/families/pipeline.ts';
import { readLora } from '../src/files/index.ts';
import { readTensors } from '../src/files/safetensors.ts';
import { packLoras } from '../src/lora.ts';
import { addNoise } from '../src/samplers/schedule.ts';
import { loraObjective } from '../src/train/objective.ts';

/*
 * Prints how far the WebGPU provider is from the golden numbers: ‖got − want‖ / ‖want‖ of each, as JSON. A program of its own,
 * since the graphics driver is chosen by the environment that a process starts with, and may take it down.
 */

const fixtures = fileURLToPath(new URL('../fixtures/sd-tiny/', import.meta.url));
const { tensors } = await readTensors(`${fixtures}golden.safetensors`);
const golden = (name: string) => {
  const tensor = tensors.get(name);
  if (!tensor) throw new Error(`no golden tensor ${name}`);
  return { data: tensor.data, dims: tensor.shape };
};
const errors: Record<string, number> = {};
function compare(name: string, got: Float32Array | undefined, wanted = golden(name).data) {
  errors[name] = Math.hypot(...wanted.map((value, i) => value - (got?.[i] ?? Number.NaN))) / Math.hypot(...wanted);
}

const pipeline = await openPipeline(`${fixtures}model`, { provider: 'webgpu' });
const { programs } = pipeline;
const prompts = [
  'a photo of a cat on a red sofa',
  'INK wash   painting of mountains, 水墨 "quoted" café!!',
  '',
  'sneakers '.repeat(90),
];
const text = await programs.text();
compare('text.last_hidden_state', (await text.run({ ...tokens(pipeline, prompts), ...packLoras(text.layers, [[]]) })).context);

const unet = await programs.unet();
const set = [
  { lora: await readLora(`${fixtures}lora/ink.kohya.safetensors`), weight: 0.8 },
  { lora: await readLora(`${fixtures}lora/neon.diffusers.safetensors`), weight: 0.6 },
];
for (const [name, features, loras] of [
  ['unet.noise_pred', 'text.last_hidden_state', []],
  ['lora.ink_0.8_neon_0.6.noise_pred', 'lora.ink_0.8_neon_0.6.text', set],
] as const) {
  const { prediction } = await unet.run({
    sample: golden('unet.sample'),
    timesteps: golden('unet.timestep'),
    context: { data: golden(features).data.subarray(0, 3 * 77 * 32), dims: [3, 77, 32] },
    ...packLoras(unet.layers, [loras]),
  });
  compare(name, prediction);
}
// What never changes stays on the device: it is not looked at again, though here it is gone.
const kept = packLoras(unet.layers, [set]);
for (const turn of ['first', 'second']) {
  const { prediction } = await unet.run({
    sample: golden('unet.sample'),
    timesteps: golden('unet.timestep'),
    context: { data: golden('lora.ink_0.8_neon_0.6.text').data.subarray(0, 3 * 77 * 32), dims: [3, 77, 32] },
    ...kept,
  });
  compare(`unet, ${turn}`, prediction, golden('lora.ink_0.8_neon_0.6.noise_pred').data);
  for (const { data } of Object.values(kept)) if (data instanceof Float32Array) data.fill(Number.NaN);
}
compare('vae.mean', (await (await programs.encoder()).run({ pictures: golden('vae.image') })).mean);
compare('vae.decoded', (await (await programs.decoder()).run({ latents: golden('vae.mean') })).pictures);

// One training step's loss and gradients
const { trained, evaluate, close } = await loraObjective(pipeline, {
  rank: 4,
  alpha: 4,
  seed: 0,
  targets: 'attention',
  trainTextEncoder: false,
});
const peft = (name: string) => name.replace(/\.down$/, '.lora_A.weight').replace(/\.up$/, '.lora_B.weight');
for (const { name, begin } of trained.layout) trained.values.set(golden(`train.init.${peft(name)}`).data, begin);
const noise = golden('train.0.noise');
const rows = [0, 1].map((row) =>
  addNoise(
    pipeline.schedule,
    golden('train.latents').data.subarray(row * 1024, (row + 1) * 1024),
    noise.data.subarray(row * 1024, (row + 1) * 1024),
    golden('train.0.timesteps').data[row] ?? -1,
  ),
);
const { loss, gradients } = await evaluate(trained, {
  sample: { data: Float32Array.from(rows.flatMap((row) => [...row])), dims: [2, 4, 16, 16] },
  target: noise,
  timesteps: golden('train.0.timesteps'),
  context: { data: golden('text.last_hidden_state').data.subarray(0, 2 * 77 * 32), dims: [2, 77, 32] },
  weight: { data: Float32Array.of(1, 1), dims: [2] },
});
compare('train.0.loss', Float32Array.of(loss));
compare(
  'train.0.grad',
  gradients,
  Float32Array.from(trained.layout.flatMap(({ name }) => [...golden(`train.0.grad.${peft(name)}`).data])),
);
await close();
await pipeline.close();
console.log(JSON.stringify(errors));
