import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import { stack } from '../src/families/conditions.ts';
import { decodePicture, encodePng, openPipeline, type Pipeline } from '../src/index.ts';
import { keptTexts } from '../src/texts.ts';
import { drawBatch } from '../src/train/draw.ts';
import { prepare } from '../src/train/pictures.ts';
import { conditionsOf } from './conditions.ts';
import { measure, median, show } from './measure.ts';

/** What a process is to measure of a training step. */
export const stepAskedSchema = z.object({
  folder: z.string(),
  batch: z.int().positive(),
  recompute: z.boolean(),
  /** Whether the graph is built for one size, or for any. */
  fixed: z.boolean(),
  rounds: z.int().positive(),
});
export type StepAsked = z.infer<typeof stepAskedSchema>;

const stepMeasuredSchema = z.object({
  openMilliseconds: z.number(),
  milliseconds: z.array(z.number()),
  /** Most memory while steps were taken, beyond that of the program without a session. */
  bytes: z.number(),
  foretoldBytes: z.number(),
});
export type StepMeasured = z.infer<typeof stepMeasuredSchema>;

const step = fileURLToPath(new URL('training-step.ts', import.meta.url));
const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;

/** How much is measured: `passes` is how often each kind of step is opened in a process of its own, in turns. */
export interface TrainingRounds {
  batch: number;
  rounds: number;
  passes: number;
  pictures: number;
}

/**
 * How long a training step takes and how much memory, with what it needs kept or computed anew, for one size or for any; and how fast
 * pictures are encoded and put before it.
 */
export async function measureTraining(folder: string, { batch, rounds, passes, pictures }: TrainingRounds): Promise<void> {
  const kinds = {
    kept: { recompute: false, fixed: true },
    anew: { recompute: true, fixed: true },
    any: { recompute: false, fixed: false },
  };
  const measured: Record<keyof typeof kinds, StepMeasured[]> = { kept: [], anew: [], any: [] };
  for (let pass = 0; pass < passes; pass++) {
    for (const kind of ['kept', 'anew', 'any'] as const) {
      const asked: StepAsked = { folder, batch, rounds, ...kinds[kind] };
      const { stdout } = await promisify(execFile)(process.execPath, [step, JSON.stringify(asked)]);
      measured[kind].push(stepMeasuredSchema.parse(JSON.parse(stdout)));
    }
  }
  const of = (kind: keyof typeof kinds) => ({
    time: median(measured[kind].flatMap(({ milliseconds }) => milliseconds)),
    open: median(measured[kind].map(({ openMilliseconds }) => openMilliseconds)),
    bytes: median(measured[kind].map(({ bytes }) => bytes)),
    foretold: measured[kind][0]?.foretoldBytes ?? Number.NaN,
  });
  const [kept, anew, any] = [of('kept'), of('anew'), of('any')];
  const memory = ({ bytes, foretold }: typeof kept) => `${megabytes(bytes)}, foretold ${megabytes(foretold)}`;
  const pipeline = await openPipeline(folder);
  const side = pipeline.resolution / pipeline.latentFactor;
  show(`training step, batch ${batch}, rank 8, ${side} × ${side}`, kept.time, memory(kept));
  const saved = `${(anew.time / kept.time).toFixed(2)} × the time, ${(anew.bytes / kept.bytes).toFixed(2)} × the memory`;
  show('  in part computed anew', anew.time, `${saved}: ${memory(anew)}`);
  const longer = `${(any.time / kept.time).toFixed(2)} × the time, ${(any.open / kept.open).toFixed(2)} × as long to open`;
  show('  of any size', any.time, `${longer}: ${memory(any)}`);
  await inputs(pipeline, { batch, pictures, stepMilliseconds: kept.time });
  await pipeline.close();
}

/** How fast pictures of twice the resolution become latents, and what a step's input takes of its time. */
async function inputs(
  pipeline: Pipeline,
  { batch, pictures, stepMilliseconds }: { batch: number; pictures: number; stepMilliseconds: number },
): Promise<void> {
  const side = 2 * pipeline.resolution;
  const data = Uint8Array.from({ length: side * side * 3 }, (_, i) => (i * 7 + Math.floor(i / (3 * side)) * 13) % 256);
  const bytes = await encodePng({ width: side, height: side, data });
  const examples = Array.from({ length: pictures }, (_, i) => ({ picture: () => decodePicture(bytes), caption: `number ${i}` }));
  const encoding = await measure(3, { all: () => prepare(pipeline, examples, {}, 1) });
  const each = encoding('all') / pictures;
  show(`a picture of ${side} × ${side} decoded, scaled and encoded`, each, `${(1000 / each).toFixed(1)} a second`);

  const prepared = await prepare(pipeline, examples.slice(0, batch), {}, 1);
  const told = conditionsOf(pipeline, 1);
  const encode = keptTexts(pipeline, async () => told);
  let number = 0;
  const times = await measure(25, {
    input: async () => {
      const { captions } = drawBatch(pipeline, prepared, { seed: 1 }, number++);
      return stack(await Promise.all(captions.map((caption) => encode(caption, []))));
    },
  });
  const share = (100 * times('input')) / stepMilliseconds;
  show(`a step's input: noise, latents, ${batch} captions`, times('input'), `${share.toFixed(1)} % of a step`);
}
