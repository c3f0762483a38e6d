import { RequestError } from './request-error.ts';
import type { ParsedTrainingRequest } from './training-request.ts';

const maxSteps = 100_000;
const defaultSteps = 400;

/** A request whose pictures may lie anywhere: only how many there are counts here. */
type Options = Omit<ParsedTrainingRequest, 'files' | 'prior_files'> & {
  files: readonly unknown[];
  prior_files: readonly unknown[];
};

/** What a request leaves open once it is settled. */
interface Settled {
  alpha: number;
  seed: number;
  steps: number;
  resolution: number;
  sample_every_n_steps: number;
}

/** How many of its pictures a training keeps for validation: the share asked for, at least one. */
export const heldOut = ({ files, validation_split }: Pick<Options, 'files' | 'validation_split'>): number =>
  validation_split === 0 ? 0 : Math.max(1, Math.round(validation_split * files.length));

/**
 * Fills in what follows from the rest of a training's request, the base model's resolution and a seed to fall back on.
 * @throws RequestError `options_conflict`, `too_many_steps`
 */
export function settleTraining<Request extends Options>(
  request: Request,
  fallback: { resolution: number; seed: number },
): Request & Settled {
  const { files, validation_split, epochs, batch_size, gradient_accumulation_steps, save_steps } = request;
  for (const [clash, param, message] of conflicts(request)) {
    if (clash) throw new RequestError('options_conflict', message, param);
  }
  const trained = files.length - heldOut(request);
  if (trained < 1) {
    const message = `validation_split ${validation_split} leaves none of ${files.length} to train on; want at least 2 pictures`;
    throw new RequestError('options_conflict', message, 'validation_split');
  }
  const perStep = batch_size * gradient_accumulation_steps;
  const steps = request.steps ?? (epochs === undefined ? defaultSteps : Math.ceil((epochs * trained) / perStep));
  if (steps > maxSteps) {
    const message = `${epochs} epochs of ${trained} pictures in steps of ${perStep} are ${steps} steps; want at most ${maxSteps}`;
    throw new RequestError('too_many_steps', message, 'epochs');
  }
  return {
    ...request,
    steps,
    alpha: request.alpha ?? request.rank,
    seed: request.seed ?? fallback.seed,
    resolution: request.resolution ?? fallback.resolution,
    sample_every_n_steps: request.sample_every_n_steps ?? save_steps,
  };
}

/** Options that contradict each other: whether they do, the one to change, and what is wanted. */
const conflicts = (request: Options): [boolean, string, string][] => [
  [
    request.steps !== undefined && request.epochs !== undefined,
    'epochs',
    'steps and epochs both say how long to train; want one of them',
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
