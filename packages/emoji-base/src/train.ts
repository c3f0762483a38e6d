import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openPipeline, randomFrom, vaeShapes } from '@loraloom/engine';
import { vaeConfig } from './architecture.ts';
import { trainAutoencoder } from './autoencoder.ts';
import { trainDecoder } from './decoder.ts';
import { denoiserShapes, trainDenoiser } from './denoiser.ts';
import { writeAutoencoder, writeDenoiser } from './folder.ts';
import { initialParameters } from './initial.ts';
import { latentDeviation } from './latents.ts';
import { loadState } from './state.ts';
import { plainSubjects, subjects } from './subjects.ts';
import { writeTokenizer } from './vocabulary.ts';

/*
 * Trains the base from nothing: `npm run base:train`. Stop it whenever you like; the same command goes on from the last save.
 */

const { values } = parseArgs({
  options: {
    /** Where checkpoints, rendered icons and the model in the making are kept. */
    folder: { type: 'string', default: fileURLToPath(new URL('../../../.train', import.meta.url)) },
    'autoencoder-steps': { type: 'string', default: '2400' },
    'decoder-steps': { type: 'string', default: '1500' },
    'denoiser-steps': { type: 'string', default: '7000' },
    /** How many subjects of the list the denoiser is taught; a longer part of it is a harder lesson. */
    subjects: { type: 'string', default: String(plainSubjects.length) },
    /** Take the denoiser as it stands into the model every this many steps, to look at samples. */
    'publish-every': { type: 'string', default: '250' },
  },
});
const { folder } = values;
const model = join(folder, 'model');
const autoencoderSteps = Number(values['autoencoder-steps']);
const decoderSteps = Number(values['decoder-steps']);
const denoiserSteps = Number(values['denoiser-steps']);
const taught = subjects.slice(0, Number(values.subjects));
const publishEvery = Number(values['publish-every']);

/** One line that rewrites itself: what, how far, loss, time left. */
function progress(what: string, steps: number): (step: number, loss: number) => void {
  let [first, mean, shown] = [0, 0, 0];
  const begun = performance.now();
  return (step, loss) => {
    first ||= step;
    mean = mean === 0 ? loss : 0.98 * mean + 0.02 * loss;
    if (performance.now() - shown < 1000 && step !== steps) return;
    shown = performance.now();
    const each = (shown - begun) / (step - first + 1) / 1000;
    const left = Math.round((steps - step) * each);
    const bar = '█'.repeat(Math.floor((24 * step) / steps)).padEnd(24, '░');
    const line = `${what} ${bar} ${step}/${steps}  loss ${mean.toFixed(4)}  ${each.toFixed(2)} s a step  ${Math.floor(left / 60)} min ${left % 60} s left`;
    process.stdout.write(process.stdout.isTTY ? `\r${line}\u001b[K` : `${line}\n`);
    if (step === steps) process.stdout.write('\n');
  };
}

await mkdir(model, { recursive: true });
const vocabulary = await writeTokenizer(join(model, 'tokenizer'));

const autoencoder = progress('autoencoder', autoencoderSteps);
for await (const { step, loss } of trainAutoencoder(folder, autoencoderSteps)) autoencoder(step, loss);
const state = await loadState(join(folder, 'vae.safetensors'), initialParameters(vaeShapes(vaeConfig), randomFrom(1)));

const decoder = progress('decoder', decoderSteps);
const tuning = trainDecoder({ ...state.parameters, values: state.average }, folder, decoderSteps);
let tuned = await tuning.next();
for (; !tuned.done; tuned = await tuning.next()) decoder(tuned.value.step, tuned.value.loss);
const trained = tuned.value;
// The UNet works on latents of deviation one; diffusers keeps the factor in the autoencoder's configuration.
await writeAutoencoder(model, trained, 1);

const start = await loadState(
  join(folder, 'denoiser.safetensors'),
  initialParameters(denoiserShapes(vocabulary.size), randomFrom(3)),
);
await writeDenoiser(model, start.parameters, vocabulary);
const unscaled = await openPipeline(model);
const deviation = await latentDeviation(unscaled, folder);
await unscaled.close();
await writeAutoencoder(model, trained, 1 / deviation);

const pipeline = await openPipeline(model);
const denoiser = progress('denoiser', denoiserSteps);
for await (const { step, loss, state: current } of trainDenoiser(pipeline, vocabulary.size, folder, taught, denoiserSteps)) {
  denoiser(step, loss);
  if (step % publishEvery === 0 || step === denoiserSteps)
    await writeDenoiser(model, { ...current.parameters, values: current.average }, vocabulary);
}
await pipeline.close();
console.log(`The model lies in ${model}`);
