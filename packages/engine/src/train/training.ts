import { InputError } from '../error.ts';
import type { Lora } from '../files/lora.ts';
import type { OptimizerName } from '../optimizers/index.ts';
import type { LearningRateSchedule } from '../optimizers/learning-rate.ts';
import type { Picture } from '../pixels.ts';

/** A picture, and what it shows. */
export interface Example {
  /** Decodes the picture, of whatever size; it is asked for once, and not kept. */
  picture: () => Promise<Picture>;
  caption: string;
  /** How often an epoch shows it, 1 or more. Default: once. */
  repeats?: number | undefined;
}

/** What a LoRA is trained on, and how. */
export interface Training {
  examples: readonly Example[];
  /**
   * Pictures of what the base should go on knowing (prior preservation, arXiv 2208.12242): as many of them as there are examples
   * are shown in each epoch, each counting `priorWeight` (default 1) times as much as an example.
   */
  prior?: readonly Example[];
  priorWeight?: number;
  rank: number;
  /** The LoRA's scale is `alpha / rank`. */
  alpha: number;
  /** The attention layers alone, all linear layers of the transformers, or the convolutions between them as well. */
  targets: 'attention' | 'attention+ff' | 'attention+ff+conv';
  trainTextEncoder: boolean;
  /** A LoRA to go on from, of the same rank, in place of fresh values. */
  start?: Lora;
  seed: number;

  /** Pixels each way, or, with `buckets`, of which a picture has as many, whatever its shape. Default: the model's. */
  resolution?: number;
  /** Pictures keep their shape, as near as one of a few comes to it, rather than being cut to squares. */
  buckets?: boolean;
  /** Shows every other picture, at random, as its mirror image. */
  flip?: boolean;
  /** Puts a caption's comma-separated tags in another order each time, but for the first `keptTags`. */
  shuffleTags?: boolean;
  keptTags?: number;
  /** How often, 0 … 1, a picture is shown without its caption, so that guidance away from an empty prompt stays what it was. */
  captionDropout?: number;
  /** What part of the examples, 0 … 0.5, is not trained on, to be measured with. */
  validationSplit?: number;

  /** Optimizer steps. */
  steps: number;
  batchSize: number;
  /** How many batches a step takes the mean gradient of. Default: 1. */
  accumulation?: number;
  learningRate: number;
  /** That of the text encoders' layers. Default: `learningRate`. */
  textLearningRate?: number;
  /** Default: adamw. `prodigy` wants a learning rate of 1. */
  optimizer?: OptimizerName;
  /** Default: 0.01. */
  weightDecay?: number;
  /** Default: constant. */
  schedule?: LearningRateSchedule;
  /** Steps over which the learning rate rises from 0. */
  warmup?: number;
  /** How often `cosine_with_restarts` begins anew. */
  cycles?: number;
  /** Longer gradients are shortened to this norm. */
  maxGradientNorm?: number;
  /** Min-SNR weighting (arXiv 2303.09556): no step counts for more than one of this signal-to-noise ratio would; 5 in the paper. */
  minSnrGamma?: number;
  /** Deviation of a shift of each channel's noise, so that pictures become dark or bright as a whole; 0.05 to 0.1 is usual. */
  noiseOffset?: number;
  /** The LoRA is the mean of its values over the last steps, each step's counting `emaDecay` times the one's after it. */
  emaDecay?: number;

  /** Computes what the gradient needs of the forward pass once more rather than keeping it. Default: if memory would not do. */
  recompute?: boolean;
  /** Memory that there is for a step, in bytes. Default: what this machine has free. */
  memoryBytes?: number;
  /** What the network computes in; the LoRA, its gradients and the loss are float32 in either case. Default: float32. */
  precision?: 'float32' | 'float16';
  /** After how many steps the values are kept to go back to, should the loss explode. Default: 50. */
  keepSteps?: number;
  /** A checkpoint of the same training. */
  resume?: Uint8Array;
}

/** @throws InputError `bad_training` for what cannot be trained */
export function checkTraining(
  { examples, steps, batchSize, validationSplit = 0 }: Training,
  multiple: number,
  resolution: number,
) {
  if (examples.length === 0) throw new InputError('bad_training', 'at least one picture with a caption is wanted');
  if (validationSplit > 0 && examples.length < 2)
    throw new InputError('bad_training', 'a validation split of one picture leaves none to train on: two or more wanted');
  if (!(steps >= 1 && batchSize >= 1)) throw new InputError('bad_training', `${steps} steps of ${batchSize}: one or more wanted`);
  if (resolution % multiple !== 0)
    throw new InputError(
      'bad_training',
      `a resolution of ${resolution}: a multiple of ${multiple} wanted, which this model's pictures are`,
    );
}

/** What must be the same for a checkpoint to belong to a training; where it began is in the checkpoint's values. */
export function identityOf(training: Training): string {
  const { examples, prior = [], ...options } = training;
  const free = { start: undefined, steps: undefined, learningRate: undefined, resume: undefined };
  const all = [...examples, ...prior];
  const captions = all.map(({ caption }) => caption);
  const repeats = all.some(({ repeats = 1 }) => repeats !== 1) ? all.map(({ repeats = 1 }) => repeats) : undefined;
  return JSON.stringify({ ...options, ...free, memoryBytes: undefined, recompute: undefined, captions, repeats });
}
