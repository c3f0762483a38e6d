import { RequestError } from './request-error.ts';
import type { ParsedTrainingRequest } from './training-request.ts';

const maxSteps = 100_000;
/** Most checkpoints of a training, each a file and a line in the record. */
const maxCheckpoints = 200;
const defaultSteps = 400;
/** What suits rank 8 on small sets; Lion's steps are longer, Prodigy multiplies it by its own. */
const defaultLearningRates = { adamw: 1e-3, lion: 1e-4, prodigy: 1 };

/** A request's options. Its pictures may lie anywhere: only how many there are counts here. */
interface Options extends Omit<ParsedTrainingRequest, 'model' | 'name' | 'files' | 'prior_files' | 'continue_from'> {
  files: readonly Repeated[];
  prior_files: readonly unknown[];
}
/** A picture that an epoch shows once, or more often. */
interface Repeated {
  repeats?: number | undefined;
}

/** What a request leaves open once it is settled. */
interface Settled {
  alpha: number;
  learning_rate: number;
  seed: number;
  steps: number;
  resolution: number;
  save_steps: number;
  sample_every_n_steps: number;
}

/** How many of its pictures a training keeps for validation: the share asked for, at least one. */
export const heldOut = ({
  files,
  validation_split,
}: Pick<Options, 'validation_split'> & { files: readonly unknown[] }): number =>
  validation_split === 0 ? 0 : Math.max(1, Math.round(validation_split * files.length));

/** How often an epoch shows a picture, on average. */
export const meanRepeats = ({ files }: Pick<Options, 'files'>): number =>
  files.reduce((sum, { repeats = 1 }) => sum + repeats, 0) / files.length;

/**
 * How many batches are an epoch: the last one may be smaller, and as many prior pictures are shown beside the others. With
 * enable_bucket every size has a last one of its own, which is not counted; nor is which pictures are kept for validation, where some
 * are shown more often than others.
 */
export function batchesPerEpoch(request: Pick<Options, 'files' | 'prior_files' | 'validation_split' | 'batch_size'>): number {
  const shown = Math.round((request.files.length - heldOut(request)) * meanRepeats(request));
  return Math.ceil((shown * (request.prior_files.length > 0 ? 2 : 1)) / request.batch_size);
}

/**
 * Fills in what follows from the rest of a training's request, the base model's resolution and a seed to fall back on.
 * @throws RequestError `options_conflict`, `too_many_steps`
 */
export function settleTraining<Request extends Options>(
  request: Request,
  fallback: { resolution: number; seed: number },
): Request & Settled {
  const { files, validation_split, epochs, gradient_accumulation_steps } = request;
  if (heldOut(request) >= files.length) {
    const message = `validation_split ${validation_split} leaves none of ${files.length} to train on; want at least 2 pictures`;
    throw new RequestError('options_conflict', message, 'validation_split');
  }
  const batches = batchesPerEpoch(request);
  const stepsOf = (count: number | undefined) =>
    count === undefined ? undefined : Math.ceil((count * batches) / gradient_accumulation_steps);
  for (const [clash, param, message] of conflicts(request, stepsOf)) {
    if (clash) throw new RequestError('options_conflict', message, param);
  }
  const steps = request.steps ?? stepsOf(epochs) ?? defaultSteps;
  if (steps > maxSteps) {
    const message = `${epochs} epochs of ${batches} batches are ${steps} steps; want at most ${maxSteps}`;
    throw new RequestError('too_many_steps', message, 'epochs');
  }
  const save_steps =
    request.save_steps ?? stepsOf(request.save_every_n_epochs) ?? Math.max(100, Math.ceil(steps / maxCheckpoints));
  const sample_every_n_steps = request.sample_every_n_steps ?? stepsOf(request.sample_every_n_epochs) ?? save_steps;
  const sampled = request.sample_prompts.length > 0 ? { sample_every_n_steps } : {};
  for (const [param, every] of Object.entries({ save_steps, ...sampled })) {
    if (steps / every <= maxCheckpoints) continue;
    const least = Math.ceil(steps / maxCheckpoints);
    const message = `every ${every} of ${steps} steps is more than ${maxCheckpoints} times; want ${param} of at least ${least}`;
    throw new RequestError('options_conflict', message, param);
  }
  return {
    ...request,
    steps,
    alpha: request.alpha ?? request.rank,
    learning_rate: request.learning_rate ?? defaultLearningRates[request.optimizer],
    seed: request.seed ?? fallback.seed,
    resolution: request.resolution ?? fallback.resolution,
    save_steps,
    sample_every_n_steps,
  };
}

/** Options that contradict each other: whether they do, the one to change, and what is wanted. What is settled does not. */
const conflicts = (
  request: Options,
  stepsOf: (epochs: number | undefined) => number | undefined,
): [boolean, string, string][] => [
  [
    request.steps !== undefined && request.epochs !== undefined && request.steps !== stepsOf(request.epochs),
    'epochs',
    'steps and epochs both say how long to train; want one of them',
  ],
  [
    request.save_steps !== undefined &&
      request.save_every_n_epochs !== undefined &&
      request.save_steps !== stepsOf(request.save_every_n_epochs),
    'save_every_n_epochs',
    'save_steps and save_every_n_epochs both say how often to save; want one of them',
  ],
  [
    request.sample_every_n_steps !== undefined &&
      request.sample_every_n_epochs !== undefined &&
      request.sample_every_n_steps !== stepsOf(request.sample_every_n_epochs),
    'sample_every_n_epochs',
    'sample_every_n_steps and sample_every_n_epochs both say how often to sample; want one of them',
  ],
  [
    request.lr_scheduler === 'constant' && request.lr_warmup_steps > 0,
    'lr_warmup_steps',
    'a constant learning rate has no warm-up; want lr_scheduler constant_with_warmup, or no lr_warmup_steps',
  ],
  [
    request.lr_scheduler !== 'cosine_with_restarts' && request.lr_scheduler_num_cycles > 1,
    'lr_scheduler_num_cycles',
    `${request.lr_scheduler} has no cycles; want lr_scheduler cosine_with_restarts, or no lr_scheduler_num_cycles`,
  ],
  [
    request.text_encoder_lr !== undefined && !request.train_text_encoder,
    'text_encoder_lr',
    'text_encoder_lr without a text encoder that is trained; want train_text_encoder as well',
  ],
];
