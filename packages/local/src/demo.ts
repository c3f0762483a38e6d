import { openAsBlob } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect, type Loraloom } from '@loraloom/client';
import { decodePicture, drawSheet, encodePng, type Picture, styleFolder } from '@loraloom/emoji-base';
import { emoji } from './emoji.ts';
import { progressBar } from './progress-bar.ts';
import { startStack } from './stack.ts';

/*
 * `npm run demo`: uploads captioned pictures in one style, trains a LoRA on them through the API, and paints a grid with it.
 */

const root = fileURLToPath(new URL('../../..', import.meta.url));
const folder = join(root, '.loraloom', 'demo');
const grid = join(root, 'demo', 'grid.png');
const steps = 400;
/** Of subjects that the style's pictures show, and of some that they do not. */
const prompts = ['dog', 'sunflower', 'house', 'red apple', 'cat', 'umbrella'];
const weights = [0, 0.5, 0.75, 1];

const begun = performance.now();
await rm(folder, { recursive: true, force: true });
const stack = await startStack({ folder, port: 0, models: [emoji] });
let failed: unknown;
try {
  await demo(connect({ url: stack.url, apiKey: stack.apiKey }));
} catch (error) {
  failed = error;
}
await stack.close();
if (failed) {
  console.error(failed, `\nThe worker's log: ${join(folder, 'worker.log')}`);
  process.exit(1);
}
const seconds = Math.round((performance.now() - begun) / 1000);
console.log(`\n${relative(process.cwd(), grid)}   ${Math.floor(seconds / 60)} min ${seconds % 60} s`);
process.exit(0);

async function demo(api: Loraloom): Promise<void> {
  const examples = await readStyle();
  const upload = progressBar('Uploading');
  const files = await Promise.all(
    examples.map(async ({ name, caption }) => ({ picture: await openAsBlob(join(styleFolder, name)), name, caption })),
  );
  const request = { model: emoji.name, name: 'ink', files, steps, rank: 8, batch_size: 4, seed: 1 };
  const asked = await api.trainings.create(
    { ...request, targets: 'attention+ff' },
    { onUpload: ({ sentBytes, totalBytes }) => upload(sentBytes, totalBytes) },
  );

  const train = progressBar('Training');
  let training = asked;
  for await (const record of api.trainings.follow(asked, { longestPauseSeconds: 1 })) {
    training = record;
    const { step, total_steps, loss, seconds_left } = record.progress;
    train(
      step,
      total_steps,
      `${loss === null ? '' : `loss ${loss.toFixed(4)}  `}${seconds_left === null ? '' : `${Math.round(seconds_left)} s left`}`,
    );
  }
  if (training.status !== 'succeeded') throw new Error(`the training ${training.status}: ${training.error?.message}`);

  // All at once: the worker makes them in one running batch, whatever their LoRAs.
  const paint = progressBar('Painting');
  let painted = 0;
  const rows = await Promise.all(
    prompts.map(async (noun) => ({
      label: noun,
      cells: await Promise.all(
        weights.map(async (weight) => {
          const cell = { picture: await makePicture(api, noun, weight) };
          paint(++painted, prompts.length * weights.length);
          return cell;
        }),
      ),
    })),
  );
  await mkdir(join(root, 'demo'), { recursive: true });
  const sheet = drawSheet({
    title: 'A LoRA of ink drawings',
    columns: weights.map((weight) => (weight === 0 ? 'without' : `strength ${weight}`)),
    rows,
  });
  await writeFile(grid, await encodePng(sheet));
}

/** A subject with the LoRA at a strength; at none, without it. */
async function makePicture(api: Loraloom, noun: string, weight: number): Promise<Picture> {
  const job = await api.images.create({
    model: emoji.name,
    prompt: weight === 0 ? `${noun}, white background` : `${noun}, white background, ink drawing`,
    seed: 7,
    loras: weight === 0 ? [] : [{ name: 'ink', weight }],
  });
  const done = await api.images.wait(job, { longestPauseSeconds: 1 });
  const url = done.output?.images[0]?.url;
  if (!url) throw new Error(`the picture ${done.status}: ${done.error?.message}`);
  return decodePicture(new Uint8Array(await (await api.download(url)).arrayBuffer()));
}

/** The style's pictures and captions, as metadata.csv lists them. */
async function readStyle(): Promise<{ name: string; caption: string }[]> {
  const [, ...lines] = (await readFile(join(styleFolder, 'metadata.csv'), 'utf8')).trim().split('\n');
  return lines.map((line) => {
    const [, name, caption] = /^([^,]+),"?(.*?)"?$/.exec(line) ?? [];
    if (!name || !caption) throw new Error(`metadata.csv: file_name,caption wanted, not ${line}`);
    return { name, caption };
  });
}
