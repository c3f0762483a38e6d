import { InputError } from '../error.ts';
import { stack, tokens } from '../families/conditions.ts';
import type { Pipeline } from '../families/pipeline.ts';
import { type Lora, loraFrom } from '../files/lora.ts';
import type { Numbers } from '../graph/compile.ts';
import { clipNorm } from '../optimizers/clip.ts';
import { optimizers } from '../optimizers/index.ts';
import { learningRateFactor } from '../optimizers/learning-rate.ts';
import type { Parameters } from '../parameters.ts';
import { keptTexts } from '../texts.ts';
import { copyOf, decodeCheckpoint, encodeCheckpoint, type State } from './checkpoint.ts';
import { drawBatch } from './draw.ts';
import { mustRecompute } from './memory.ts';
import { loraObjective, modulesOf, startFrom } from './objective.ts';
import { batches, batchOf } from './order.ts';
import { type Prepared, prepare } from './pictures.ts';
import { checkTraining, identityOf, type Training } from './training.ts';
import { heldOut, validationLoss } from './validation.ts';

export interface TrainingStep {
  step: number;
  steps: number;
  /** Mean squared error of this step's pictures, each weighted. */
  loss: number;
  learningRate: number;
  /** The training as it stands, for `resume`: a safetensors file of the weights and of what the optimizer remembers. */
  checkpoint(): Uint8Array<ArrayBuffer>;
  /** The LoRA as it stands. */
  lora(): Lora;
  /** The LoRA's mean squared error on the pictures that are not trained on; none without `validationSplit`. */
  validate(): Promise<number | undefined>;
}

/** Bytes of encoded captions that are kept: all that there are, unless they change each time. */
const keptCaptionBytes = 2 ** 30;

/** float16's loss scale at first, at most, and after how many steps without an overflow it doubles, as PyTorch's scaler does. */
const scaling = { first: 2 ** 13, most: 2 ** 15, steps: 2000 };

/**
 * Trains a LoRA (arXiv 2106.09685) to predict the noise in noisy latents, yielding after each step. What is random in a step
 * follows from the seed and the step's number, so that a resumed training goes on as if it had not stopped. A loss that is not a
 * number, or explodes, takes it back, once, by up to `keepSteps` steps, to go on with a fourth of the learning rate.
 * @throws InputError `bad_training`, `bad_checkpoint`, `lora_mismatch`, `not_finite`
 */
export async function* trainLora(
  pipeline: Pipeline,
  training: Training,
  signal?: AbortSignal,
): AsyncGenerator<TrainingStep, Lora> {
  const { rank, alpha, steps, learningRate, accumulation = 1, seed, precision = 'float32', keepSteps = 50 } = training;
  checkTraining(training, pipeline.multiple, training.resolution ?? pipeline.resolution);
  const { shown, held, examples } = await prepareAll(pipeline, training, signal);
  const encode = keptTexts(pipeline, undefined, keptCaptionBytes);
  const recompute = training.recompute ?? (await mustRecompute(pipeline, training, shown));
  const ordering = {
    buckets: shown.map(({ width, height }) => `${width} × ${height}`),
    repeats: shown.map(({ repeats }) => repeats),
    examples,
    batchSize: training.batchSize,
    seed,
  };
  // A prior picture's may weigh more.
  const exploded = explosion * Math.max(1, training.prior?.length ? (training.priorWeight ?? 1) : 1);
  const size = { batch: batchOf(ordering), height: common(shown, 'height'), width: common(shown, 'width') };
  const { trained, evaluate, close } = await loraObjective(pipeline, { ...training, recompute }, size);
  try {
    if (training.start) startFrom(training.start, trained, training);
    const groups = groupsOf(trained, training);
    const { begin, step: take } = optimizers[training.optimizer ?? 'adamw'];
    const begun: State = {
      step: 0,
      values: trained.values,
      optimizers: groups.map((group) => begin(trained.values.subarray(group.begin, group.end))),
      ...(training.emaDecay === undefined ? {} : { average: trained.values.slice() }),
      numbers: { rate: 1, lossScale: precision === 'float16' ? scaling.first : 1, sinceOverflow: 0 },
    };
    const identity = identityOf(training);
    const restored = training.resume && decodeCheckpoint(training.resume, identity, begun);
    let state = restored?.now ?? begun;
    let good = restored?.good ?? copyOf(begun);
    const orderAt = (step: number) => {
      const order = batches(ordering);
      for (let i = 0; i < step * accumulation; i++) order.next();
      return order;
    };
    let order = orderAt(state.step);
    const current = (): Parameters => ({ ...trained, values: state.values });
    const lora = () => loraFrom(modulesOf({ ...trained, values: state.average ?? state.values }, rank, alpha));

    /** The mean loss and gradient of a step's batches. */
    const measure = async (step: number, chosen: readonly (readonly number[])[], lossScale: number) => {
      const sum = new Float32Array(trained.values.length);
      let loss = 0;
      for (const [i, batch] of chosen.entries()) {
        signal?.throwIfAborted();
        const pictures = batch.flatMap((example) => shown[example] ?? []);
        const { captions, inputs } = drawBatch(pipeline, pictures, training, step * accumulation + i);
        const text: Record<string, Numbers> = training.trainTextEncoder
          ? tokens(pipeline, captions)
          : stack(await Promise.all(captions.map((caption) => encode(caption, []))));
        const told = { ...text, ...stack(pictures.map(({ frame }) => frame)) };
        const result = await evaluate(current(), { ...inputs, ...told }, lossScale);
        loss += result.loss / chosen.length;
        const scale = 1 / (chosen.length * lossScale);
        if (chosen.length === 1 && scale === 1) return { loss, gradients: result.gradients };
        for (let j = 0; j < sum.length; j++) sum[j] = (sum[j] ?? 0) + scale * (result.gradients[j] ?? Number.NaN);
      }
      return { loss, gradients: sum };
    };

    while (state.step < steps) {
      const { step, numbers } = state;
      // Where a step begins that went well: what a bad step leaves behind shows only in the next one's loss.
      const keep = step % keepSteps === 0 && step !== good.step ? copyOf(state) : undefined;
      const chosen = Array.from({ length: accumulation }, () => order.next().value);
      let { lossScale, sinceOverflow } = numbers;
      let measured = await measure(step, chosen, lossScale);
      while (precision === 'float16' && lossScale > 1 && measured.loss < exploded && !measured.gradients.every(Number.isFinite)) {
        [lossScale, sinceOverflow] = [lossScale / 2, 0];
        measured = await measure(step, chosen, lossScale);
      }
      const { loss, gradients } = measured;
      if (!(loss < exploded)) {
        const problem = `the loss is ${loss} at step ${step + 1}`;
        if (numbers.rate < 1) {
          const again = `${problem}, also after going back to step ${good.step} with a fourth of the learning rate`;
          throw new InputError('not_finite', `${again}: a much lower one than ${learningRate} wanted`);
        }
        // Once, from where all was well.
        good = { ...good, numbers: { ...good.numbers, rate: 1 / 4 } };
        state = copyOf(good);
        order = orderAt(state.step);
        continue;
      }
      if (keep) good = keep;
      if (training.maxGradientNorm !== undefined) clipNorm(gradients, training.maxGradientNorm);
      const { warmup = 0, cycles = 1 } = training;
      const factor = numbers.rate * learningRateFactor(training.schedule ?? 'constant', step, { steps, warmup, cycles });
      const { values } = state;
      const optimized = groups.map(({ begin, end, learningRate: own }, i) => {
        const before = state.optimizers[i];
        if (!before) throw new Error('an optimizer for each group of parameters wanted');
        const options = { learningRate: factor * own, weightDecay: training.weightDecay ?? 0.01 };
        return take(values.subarray(begin, end), gradients.subarray(begin, end), before, options);
      });
      const grown = ++sinceOverflow >= scaling.steps && precision === 'float16' && lossScale < scaling.most;
      state = {
        ...state,
        step: step + 1,
        optimizers: optimized,
        numbers: { ...numbers, lossScale: grown ? 2 * lossScale : lossScale, sinceOverflow: grown ? 0 : sinceOverflow },
      };
      if (state.average) follow(state.average, values, training.emaDecay ?? 0, step);
      yield {
        step: state.step,
        steps,
        loss,
        learningRate: factor * learningRate,
        checkpoint: () => encodeCheckpoint(identity, state, good),
        lora,
        validate: async () => (held.length === 0 ? undefined : await validationLoss(pipeline, held, lora(), seed)),
      };
    }
    return lora();
  } finally {
    await close();
  }
}

/**
 * A loss that ends a training. Noise and velocities have variance 1, so that a model which says nothing has a loss of 1: ten times
 * worse than that nothing is learnt any more.
 */
const explosion = 10;

/** What is trained on, the prior pictures last, and what is only measured with. */
async function prepareAll(
  pipeline: Pipeline,
  training: Training,
  signal?: AbortSignal,
): Promise<{ shown: Prepared[]; examples: number; held: Prepared[] }> {
  const { examples, prior = [], priorWeight = 1, validationSplit = 0, seed } = training;
  const out = heldOut(examples.length, validationSplit, seed);
  const trained = examples.filter((_, i) => !out.has(i));
  const shown = await prepare(pipeline, trained, training, 1, signal);
  shown.push(...(await prepare(pipeline, prior, training, priorWeight, signal)));
  const measured = examples.filter((_, i) => out.has(i));
  const held = await prepare(pipeline, measured, { ...training, flip: false }, 1, signal);
  return { shown, examples: trained.length, held };
}

/** What all pictures have in common, or null. */
const common = (pictures: readonly Prepared[], side: 'width' | 'height') =>
  pictures.every((picture) => picture[side] === pictures[0]?.[side]) ? (pictures[0]?.[side] ?? null) : null;

/** Parameters with learning rates of their own: the text encoders' lie behind the UNet's. */
function groupsOf({ values, layout }: Parameters, { learningRate, textLearningRate = learningRate }: Training) {
  const text = layout.find(({ name }) => !name.startsWith('unet.'))?.begin ?? values.length;
  const unet = { begin: 0, end: text, learningRate };
  // One group where the rate is one, so that Prodigy finds one for all.
  if (text === values.length || textLearningRate === learningRate) return [{ ...unet, end: values.length }];
  return [unet, { begin: text, end: values.length, learningRate: textLearningRate }];
}

/** A moving average, which follows more closely at first (diffusers' EMAModel): decay min(decay, (1 + step) / (10 + step)). */
function follow(average: Float32Array, values: Float32Array, decay: number, step: number): void {
  const keep = Math.min(decay, (1 + step) / (10 + step));
  for (let i = 0; i < values.length; i++) average[i] = keep * (average[i] ?? 0) + (1 - keep) * (values[i] ?? Number.NaN);
}
