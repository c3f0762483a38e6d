import { z } from 'zod';
import { InputError } from '../error.ts';
import { decodeSafetensors, encodeSafetensors } from '../files/safetensors.ts';
import type { OptimizerState } from '../optimizers/index.ts';

/** All that a training is between two steps; with the training itself, what follows is decided by it. */
export interface State {
  /** Optimizer steps taken. */
  step: number;
  values: Float32Array;
  /** The optimizer's, one for each learning rate that there is. */
  optimizers: readonly OptimizerState[];
  /** Moving average of the values, where one is kept. */
  average?: Float32Array;
  numbers: {
    /** What the learning rate is multiplied by since the loss exploded. */
    rate: number;
    /** What float16's loss is multiplied by, and how many steps it has been right. */
    lossScale: number;
    sinceOverflow: number;
  };
}

/** A state out of reach of further steps, which change arrays in place. */
export function copyOf(state: State): State {
  const copied = (arrays: OptimizerState['arrays']) =>
    Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, array.slice()]));
  return {
    ...state,
    values: state.values.slice(),
    optimizers: state.optimizers.map(({ arrays, ...rest }) => ({ ...rest, arrays: copied(arrays) })),
    ...(state.average ? { average: state.average.slice() } : {}),
  };
}

const StoredState = z.object({
  step: z.int().nonnegative(),
  optimizers: z.array(z.object({ step: z.int().nonnegative(), numbers: z.record(z.string(), z.number()) })),
  numbers: z.object({ rate: z.number(), lossScale: z.number(), sinceOverflow: z.int() }),
});
const Stored = z.object({ now: StoredState, good: StoredState.optional() });

/**
 * A checkpoint's bytes: a safetensors file of the state and, where it is another one, of that to go back to.
 * @param identity of the training that it belongs to
 */
export function encodeCheckpoint(identity: string, now: State, good: State): Uint8Array<ArrayBuffer> {
  const states = good.step === now.step ? { now } : { now, good };
  const tensors = new Map(
    Object.entries(states).flatMap(([when, state]) =>
      [...arraysOf(state)].map(
        ([name, data]) => [`${when}.${name}`, { dtype: 'F32' as const, shape: [data.length], data }] as const,
      ),
    ),
  );
  const described = Object.entries(states).map(([when, { step, optimizers, numbers }]) => [
    when,
    { step, numbers, optimizers: optimizers.map((optimizer) => ({ step: optimizer.step, numbers: optimizer.numbers })) },
  ]);
  return encodeSafetensors(tensors, { state: JSON.stringify(Object.fromEntries(described)), training: identity });
}

/**
 * The state of a checkpoint, and that to go back to.
 * @param begun the state at the training's start, for its sizes
 * @throws InputError `bad_checkpoint`, `bad_safetensors`
 */
export function decodeCheckpoint(bytes: Uint8Array, identity: string, begun: State): { now: State; good: State } {
  const { tensors, metadata } = decodeSafetensors(bytes, 'checkpoint');
  if (metadata.training !== identity) throw new InputError('bad_checkpoint', 'the checkpoint belongs to another training');
  const stored = Stored.safeParse(JSON.parse(metadata.state ?? '{}'));
  if (!stored.success) throw new InputError('bad_checkpoint', 'the checkpoint does not say where it stands');
  const stateOf = (when: string, { step, optimizers, numbers }: z.infer<typeof StoredState>): State => {
    const read = (name: string, { length }: Float32Array) => {
      const data = tensors.get(`${when}.${name}`)?.data;
      if (data?.length !== length) throw new InputError('bad_checkpoint', `the checkpoint's ${name} do not fit this training`);
      return data;
    };
    return {
      step,
      numbers,
      values: read('values', begun.values),
      ...(begun.average ? { average: read('average', begun.average) } : {}),
      optimizers: begun.optimizers.map(({ arrays }, i) => ({
        step: optimizers[i]?.step ?? step,
        numbers: optimizers[i]?.numbers ?? {},
        arrays: Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, read(`optimizer.${i}.${name}`, array)])),
      })),
    };
  };
  const now = stateOf('now', stored.data.now);
  return { now, good: stored.data.good ? stateOf('good', stored.data.good) : copyOf(now) };
}

function* arraysOf({ values, average, optimizers }: State): Generator<[string, Float32Array]> {
  yield ['values', values];
  if (average) yield ['average', average];
  for (const [i, { arrays }] of optimizers.entries())
    for (const [name, array] of Object.entries(arrays)) yield [`optimizer.${i}.${name}`, array];
}
