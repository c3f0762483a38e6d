import { readFile, writeFile } from 'node:fs/promises';
import { openPipeline } from '../src/index.ts';
import { stepMemory } from '../src/train/memory.ts';
import { loraObjective } from '../src/train/objective.ts';
import { conditionsOf } from './conditions.ts';
import { type StepAsked, type StepMeasured, stepAskedSchema } from './training.ts';

/*
 * A program of its own, since what a session takes of memory can be told only of a process: opens a training step, takes some, and
 * says how long they took, the most memory that the process held meanwhile, and what was foretold of that.
 */

const asked: StepAsked = stepAskedSchema.parse(JSON.parse(process.argv[2] ?? ''));
const pipeline = await openPipeline(asked.folder);
const { batch, recompute, fixed } = asked;
const side = pipeline.resolution / pipeline.latentFactor;
const adapting = {
  ...({ rank: 8, alpha: 8, seed: 1, targets: 'attention', trainTextEncoder: false } as const),
  recompute,
};
const { weights, activations } = await stepMemory(pipeline, adapting, { width: side, height: side }, batch);
const bare = process.memoryUsage.rss();
const begun = performance.now();
const size = fixed ? { batch, height: side, width: side } : { batch: null, height: null, width: null };
const { trained, evaluate, close } = await loraObjective(pipeline, adapting, size);
const openMilliseconds = performance.now() - begun;
// What opening took at most is another matter: Linux begins to count anew.
await writeFile('/proc/self/clear_refs', '5').catch(() => undefined);
const inputs = {
  sample: { data: new Float32Array(batch * 4 * side ** 2).fill(0.5), dims: [batch, 4, side, side] },
  target: { data: new Float32Array(batch * 4 * side ** 2).fill(0.25), dims: [batch, 4, side, side] },
  timesteps: { data: new Float32Array(batch).fill(500), dims: [batch] },
  weight: { data: new Float32Array(batch).fill(1), dims: [batch] },
  ...conditionsOf(pipeline, batch),
};
const milliseconds: number[] = [];
for (let round = 0; round <= asked.rounds; round++) {
  const start = performance.now();
  await evaluate(trained, inputs);
  // The first round warms up.
  if (round > 0) milliseconds.push(performance.now() - start);
}
const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
const peak = 1024 * Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1] ?? process.resourceUsage().maxRSS);
const measured: StepMeasured = {
  openMilliseconds,
  milliseconds,
  bytes: peak - bare,
  foretoldBytes: weights + activations,
};
console.log(JSON.stringify(measured));
await close();
await pipeline.close();
