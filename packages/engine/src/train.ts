import { z } from 'zod';
import { pack } from './adapters.ts';
import { drawBatch } from './draw.ts';
import { InputError } from './error.ts';
import { type Conditions, encodeText, framing, graphInputs, stack, tokens } from './families/conditions.ts';
import { targets } from './families/family.ts';
import { adapt, buildText, buildUnet, type LoraShape, weightsOf } from './families/model.ts';
import type { Pipeline } from './families/pipeline.ts';
import { type Lora, type LoraModule, loraFrom } from './files/lora.ts';
import { decodeSafetensors, encodeSafetensors } from './files/safetensors.ts';
import type { Numbers } from './graph/compile.ts';
import { inputsOf } from './graph/onnx.ts';
import { Graph, type Tensor } from './graph/tensor.ts';
import { type Encoded, encodePicture } from './image.ts';
import { clipNorm } from './optimizers/clip.ts';
import { type OptimizerName, type OptimizerState, optimizers } from './optimizers/index.ts';
import { type LearningRateSchedule, learningRateFactor } from './optimizers/learning-rate.ts';
import { objective, type Parameters, parameters } from './parameters.ts';
import type { Picture } from './pixels.ts';
import { weightedError } from './pretrain.ts';
import { type Random, randomFrom } from './random.ts';

/** A picture of the model's resolution, and what it shows. */
export interface Example {
  picture: Picture;
  caption: string;
}

export interface Training {
  examples: readonly Example[];
  rank: number;
  /** The LoRA's scale is `alpha / rank`. */
  alpha: number;
  learningRate: number;
  steps: number;
  batchSize: number;
  seed: number;
  /** The attention layers alone, all linear layers of the transformers, or the convolutions between them as well. */
  targets: 'attention' | 'attention+ff' | 'attention+ff+conv';
  trainTextEncoder: boolean;
  /** Default: adamw. `prodigy` wants a learning rate of 1. */
  optimizer?: OptimizerName;
  /** Default: constant. */
  schedule?: LearningRateSchedule;
  /** Steps over which the learning rate rises from 0. */
  warmup?: number;
  /** Longer gradients are shortened to this norm. */
  maxGradientNorm?: number;
  /** Min-SNR weighting (arXiv 2303.09556): no step counts for more than one of this signal-to-noise ratio would; 5 in the paper. */
  minSnrGamma?: number;
  /** Deviation of a shift of each channel's noise, so that pictures become dark or bright as a whole; 0.05 to 0.1 is usual. */
  noiseOffset?: number;
  /** How often, 0 … 1, a picture is shown without its caption, so that guidance away from an empty prompt stays what it was. */
  captionDropout?: number;
  /** A checkpoint of the same training. */
  resume?: Uint8Array;
}

export interface TrainingStep {
  step: number;
  steps: number;
  /** Mean squared error of this step's batch. */
  loss: number;
  /** The training as it stands, for `resume`: a safetensors file of the weights and of what the optimizer remembers. */
  checkpoint(): Uint8Array<ArrayBuffer>;
  /** The LoRA as it stands. */
  lora(): Lora;
}

/**
 * Trains a LoRA (arXiv 2106.09685) to predict the noise in noisy latents, yielding after each step. What is random in a step
 * follows from the seed and the step's number, so that a resumed training goes on as if it had not stopped. A loss that is not a
 * number, or explodes, takes it back, once, by up to fifty steps, to go on with a fourth of the learning rate.
 * @throws InputError `bad_training`, `bad_checkpoint`, `not_finite`
 */
export async function* trainLora(
  pipeline: Pipeline,
  training: Training,
  signal?: AbortSignal,
): AsyncGenerator<TrainingStep, Lora> {
  const { examples, rank, alpha, steps, learningRate } = training;
  if (examples.length === 0) throw new InputError('bad_training', 'at least one picture with a caption is wanted');
  const latents = await encodePictures(pipeline, examples, signal);
  const captions = [...examples.map(({ caption }) => caption), ''];
  const features = training.trainTextEncoder ? undefined : await encodeCaptions(pipeline, captions, signal);
  const frame = framing(pipeline.model, { width: pipeline.resolution, height: pipeline.resolution });
  const { trained, evaluate, close } = await loraObjective(pipeline, training);
  try {
    const optimizer = optimizers[training.optimizer ?? 'adamw'];
    const begun = optimizer.begin(trained.values);
    const restored = restore(training, trained, begun);
    const current: Parameters = { ...trained, values: restored?.values ?? trained.values };
    let state: OptimizerState = restored?.optimizer ?? begun;
    let rate = restored?.rate ?? 1;
    let good = copyOf(current.values, state);
    const lora = () => loraFrom(modulesOf(current, rank, alpha));
    while (state.step < steps) {
      signal?.throwIfAborted();
      const batch = drawBatch(pipeline, latents, training, state.step);
      // The one behind the last is empty.
      const told = batch.chosen.map((i, place) => (batch.silent[place] ? examples.length : i));
      const text: Record<string, Numbers> = features
        ? stack(told.map((i) => features[i] ?? {}))
        : tokens(
            pipeline,
            told.map((i) => captions[i] ?? ''),
          );
      const { loss, gradients } = await evaluate(current, { ...batch.inputs, ...text, ...stack(told.map(() => frame)) });
      if (!(loss < exploded)) {
        const problem = `the loss is ${loss} at step ${state.step + 1}`;
        if (rate < 1) {
          const again = `${problem}, also after going back to step ${good.state.step} with a fourth of the learning rate`;
          throw new InputError('not_finite', `${again}: a much lower one than ${learningRate} wanted`);
        }
        // Once, from where all was well.
        rate = 1 / 4;
        current.values.set(good.values);
        state = copyOf(good.values, good.state).state;
        continue;
      }
      // Where a step begins that went well: what a bad step leaves behind shows only in the next one's loss.
      if (state.step % 50 === 0) good = copyOf(current.values, state);
      if (training.maxGradientNorm !== undefined) clipNorm(gradients, training.maxGradientNorm);
      const factor = learningRateFactor(training.schedule ?? 'constant', state.step, { steps, warmup: training.warmup ?? 0 });
      state = optimizer.step(current.values, gradients, state, rate * learningRate * factor);
      yield { step: state.step, steps, loss, checkpoint: () => checkpointOf(training, current, state, rate), lora };
    }
    return lora();
  } finally {
    await close();
  }
}

const unetTargets = {
  attention: targets.unetAttention,
  'attention+ff': targets.unet,
  'attention+ff+conv': new RegExp(`${targets.unet.source}|${targets.unetConvolutions.source}`),
};

/** The loss as a function of the LoRA's two halves on each layer, named as its modules are, with fresh values: `up` zero. */
export async function loraObjective(
  { model, latentFactor, resolution, provider }: Pipeline,
  training: Omit<Training, 'examples' | 'resume' | 'steps' | 'learningRate'>,
) {
  const { rank, alpha, batchSize, seed, trainTextEncoder } = training;
  const graph = new Graph();
  const shape: LoraShape = ({ inFeatures, outFeatures, kernel = [] }) => ({
    down: [rank, inFeatures, ...kernel],
    up: [outFeatures, rank],
  });
  const attention = training.targets === 'attention';
  const unetWeights = adapt(
    await weightsOf(model, 'unet', graph),
    'unet',
    graph,
    shape,
    unetTargets[training.targets],
    alpha / rank,
  );
  let told: Record<string, Tensor>;
  const layers = [...unetWeights.adapted];
  if (trainTextEncoder) {
    const textWeights = adapt(
      await weightsOf(model, 'text', graph),
      'text',
      graph,
      shape,
      attention ? targets.textAttention : targets.text,
      alpha / rank,
    );
    told = buildText(model, textWeights, graphInputs(model, graph, 'tokens', batchSize));
    layers.push(...textWeights.adapted);
  } else told = graphInputs(model, graph, 'features', batchSize);
  const side = resolution / latentFactor;
  const prediction = buildUnet(
    model,
    unetWeights,
    graph.input('sample', [batchSize, 4, side, side]),
    graph.input('timesteps', [batchSize]),
    { ...told, ...graphInputs(model, graph, 'framing', batchSize) },
  );
  // A text encoder's last layer may have no say in the prediction; what has none is not trained.
  const used = inputsOf([prediction]);
  const halves = graph.inputs.filter((input) => /\.(down|up)$/.test(input.name) && used.has(input));
  const inputs = new Map(halves.map((input) => [input.name, input]));
  const random = randomFrom(seed, 0);
  const trained = parameters(
    [...inputs].map(([name, input]) => [name, input.sizes]),
    ({ name, dims }) => initialHalf(name, dims, random),
  );
  const { evaluate, close } = await objective(weightedError(prediction), inputs, { provider });
  return { trained, evaluate, close, layers };
}

/** PEFT's and kohya's start: `down` uniform in ±1/√in (kaiming_uniform with a = √5), `up` zero. */
function initialHalf(name: string, dims: readonly number[], random: Random): Float32Array {
  const [rows = 0, ...rest] = dims;
  const columns = rest.reduce((product, n) => product * n, 1);
  const values = new Float32Array(rows * columns);
  return name.endsWith('.up') ? values : values.map(() => (random.uniform() * 2 - 1) / Math.sqrt(columns));
}

async function encodePictures(pipeline: Pipeline, examples: readonly Example[], signal?: AbortSignal): Promise<Encoded[]> {
  const { resolution } = pipeline;
  const encoded: Encoded[] = [];
  for (const { picture } of examples) {
    signal?.throwIfAborted();
    if (picture.width !== resolution || picture.height !== resolution) {
      throw new InputError(
        'bad_training',
        `a picture of ${picture.width} × ${picture.height}: ${resolution} × ${resolution} wanted`,
      );
    }
    encoded.push(await encodePicture(pipeline, picture));
  }
  return encoded;
}

async function encodeCaptions(pipeline: Pipeline, captions: readonly string[], signal?: AbortSignal): Promise<Conditions[]> {
  const text = await pipeline.programs.text();
  const features: Conditions[] = [];
  for (const caption of captions) {
    signal?.throwIfAborted();
    features.push(await encodeText(pipeline, caption, pack(text, [[]])));
  }
  return features;
}

/** The trained halves by module. */
export function modulesOf({ values, layout }: Parameters, rank: number, alpha: number): Lora['modules'] {
  const halves = new Map(layout.map((slot) => [slot.name, slot]));
  const modules = new Map<string, LoraModule>();
  for (const { name, dims, begin, end } of layout) {
    if (!name.endsWith('.down')) continue;
    const module = name.slice(0, -'.down'.length);
    const up = halves.get(`${module}.up`);
    if (!up) throw new Error(`${module}: no up half`);
    modules.set(module, {
      down: values.slice(begin, end),
      up: values.slice(up.begin, up.end),
      rank,
      inFeatures: dims[1] ?? 0,
      outFeatures: up.dims[0] ?? 0,
      alpha,
      ...(dims.length === 4 ? { kernel: [dims[2] ?? 1, dims[3] ?? 1] as const } : {}),
    });
  }
  return modules;
}

/**
 * A loss that ends a training. Noise and velocities have variance 1, so that a model which says nothing has a loss of 1: ten times
 * worse than that nothing is learnt any more.
 */
const exploded = 10;

/** A training as it stands, out of reach of further steps. */
function copyOf(values: Float32Array, { step, arrays, numbers }: OptimizerState) {
  const copies = Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, array.slice()]));
  return { values: values.slice(), state: { step, arrays: copies, numbers: { ...numbers } } };
}

/** What must be the same for a checkpoint to belong to a training. */
const identityOf = ({ examples, steps: _, learningRate: __, resume: ___, ...options }: Training) =>
  JSON.stringify({ ...options, captions: examples.map(({ caption }) => caption) });

function checkpointOf(
  training: Training,
  { values }: Parameters,
  { step, arrays, numbers }: OptimizerState,
  rate: number,
): Uint8Array<ArrayBuffer> {
  const stored = (data: Float32Array) => ({ dtype: 'F32' as const, shape: [data.length], data });
  const tensors = new Map(Object.entries({ ...arrays, values }).map(([name, data]) => [name, stored(data)]));
  return encodeSafetensors(tensors, {
    step: String(step),
    numbers: JSON.stringify({ ...numbers, rate }),
    training: identityOf(training),
  });
}

const StoredNumbers = z.looseObject({ rate: z.number().positive().max(1) }).catchall(z.number());

/** A training's values and optimizer where its checkpoint was taken; `fresh` is how they are at the start. */
function restore(
  training: Training,
  fresh: Parameters,
  begun: OptimizerState,
): { values: Float32Array; optimizer: OptimizerState; rate: number } | undefined {
  if (!training.resume) return undefined;
  const { tensors, metadata } = decodeSafetensors(training.resume, 'checkpoint');
  const step = Number(metadata.step);
  if (metadata.training !== identityOf(training) || !Number.isInteger(step))
    throw new InputError('bad_checkpoint', 'the checkpoint belongs to another training');
  const read = (name: string) => {
    const data = tensors.get(name)?.data;
    if (data?.length !== fresh.values.length)
      throw new InputError('bad_checkpoint', `the checkpoint's ${name} do not fit this training`);
    return data;
  };
  const arrays = Object.fromEntries(Object.keys(begun.arrays).map((name) => [name, read(name)]));
  const { rate, ...numbers } = StoredNumbers.parse(JSON.parse(metadata.numbers ?? '{}'));
  return { values: read('values'), optimizer: { step, arrays, numbers }, rate };
}
