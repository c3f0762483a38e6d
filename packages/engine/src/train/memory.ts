import { freemem } from 'node:os';
import type { Pipeline } from '../families/pipeline.ts';
import { gradient } from '../graph/gradient.ts';
import { peakBytes, weightBytes } from '../graph/memory.ts';
import { type Adapting, lossGraph } from './objective.ts';
import type { Size } from './pictures.ts';
import type { Training } from './training.ts';

/** What a training step takes, in bytes: the weights, and at most at once of what is computed from them. */
export interface StepMemory {
  weights: number;
  activations: number;
}

/**
 * Estimates a training step's memory from its graph alone, by which of its tensors are needed at the same time.
 * @param size of the latents
 */
export async function stepMemory(pipeline: Pipeline, adapting: Adapting, size: Size, batch: number): Promise<StepMemory> {
  const { recompute = false, precision = 'float32' } = adapting;
  const { loss, halves } = await lossGraph(pipeline, adapting, { batch, ...size });
  const outputs = [loss, ...gradient(loss, [...halves.values()], { recompute })];
  const half = precision === 'float16' ? 0.5 : 1;
  return { weights: half * weightBytes(outputs), activations: half * peakBytes(outputs) };
}

/** How much of the memory that there is may be planned for: the estimate knows nothing of what operators use while they run. */
const usable = 0.8;

/** Whether a step must compute its forward pass in part anew to fit into memory. */
export async function mustRecompute(pipeline: Pipeline, training: Training, pictures: readonly Size[]): Promise<boolean> {
  const { memoryBytes = freemem(), batchSize } = training;
  const largest = pictures.reduce((a, b) => (b.width * b.height > a.width * a.height ? b : a));
  const { weights, activations } = await stepMemory(pipeline, { ...training, recompute: false }, largest, batchSize);
  return weights + activations > usable * memoryBytes;
}
