import { readFile } from 'node:fs/promises';
import { type AdamWState, adamW, adamWState, decodeSafetensors, type Parameters, writeSafetensors } from '@loraloom/engine';

/** All that a run needs to go on where it stopped; batches are drawn from the step's number, so no random state is kept. */
export interface TrainingState {
  parameters: Parameters;
  /** The exponential moving average of the parameters, which is what gets used in the end. */
  average: Float32Array;
  moments: AdamWState;
}

export const freshState = (parameters: Parameters): TrainingState => ({
  parameters,
  average: Float32Array.from(parameters.values),
  moments: adamWState(parameters.values.length),
});

/**
 * One step of the optimizer, and of the average behind it.
 * @param decay how much of the average stays, once there are many steps; early ones count for more
 */
export function advance(
  state: TrainingState,
  gradients: Float32Array,
  { learningRate, weightDecay, decay }: { learningRate: number; weightDecay: number; decay: number },
): void {
  const { parameters, average } = state;
  state.moments = adamW(parameters.values, gradients, state.moments, { learningRate, beta2: 0.99, weightDecay });
  const { step } = state.moments;
  const kept = Math.min(decay, step / (step + 20));
  for (let i = 0; i < average.length; i++) average[i] = kept * (average[i] ?? 0) + (1 - kept) * (parameters.values[i] ?? 0);
}

/** Rises over fifty steps, then falls along a cosine to a fiftieth. */
export const cosineRate = (step: number, steps: number): number =>
  Math.min(1, (step + 1) / 50) * (0.02 + 0.98 * 0.5 * (1 + Math.cos((Math.PI * step) / steps)));

/** Saves the state every so many seconds, and at the last step. */
export function saver(path: string, steps: number, seconds: number): (state: TrainingState) => Promise<void> {
  let saved = Date.now();
  return async (state) => {
    if (Date.now() - saved < seconds * 1000 && state.moments.step !== steps) return;
    await saveState(path, state);
    saved = Date.now();
  };
}

/** Writes the state in one piece: a run that is killed finds the old one or the new one. */
export function saveState(path: string, { parameters, average, moments }: TrainingState): Promise<void> {
  const stored = (data: Float32Array) => ({ dtype: 'F32' as const, shape: [data.length], data });
  const tensors = { values: parameters.values, average, first: moments.first, second: moments.second };
  return writeSafetensors(path, new Map(Object.entries(tensors).map(([name, data]) => [name, stored(data)])), {
    step: String(moments.step),
  });
}

/** The saved state, or a fresh one where there is none; `initial` gives the layout. */
export async function loadState(path: string, initial: Parameters): Promise<TrainingState> {
  const bytes = await readFile(path).catch(() => undefined);
  if (!bytes) return freshState(initial);
  const { tensors, metadata } = decodeSafetensors(bytes, path);
  const read = (name: string) => {
    const data = tensors.get(name)?.data;
    if (data?.length !== initial.values.length)
      throw new Error(`${path}: ${name} does not fit this model; delete the file to begin again`);
    return data;
  };
  return {
    parameters: { ...initial, values: read('values') },
    average: read('average'),
    moments: { first: read('first'), second: read('second'), step: Number(metadata.step) },
  };
}
