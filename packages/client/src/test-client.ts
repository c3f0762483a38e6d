import type { TrainingRecord } from '@loraloom/jobs';
import { type ConnectOptions, connect } from './connect.ts';

export type Answer = Response | Error | (() => Response);

/** A client whose answers are canned, in order; `sent` is what it sent. */
export function canned(...answers: Answer[]) {
  return cannedWith({}, ...answers);
}

export function cannedWith(options: Partial<ConnectOptions>, ...answers: Answer[]) {
  const sent: Request[] = [];
  const client = connect({
    url: 'https://api.example/',
    apiKey: 'll_secret',
    fetch: async (input, init) => {
      sent.push(new Request(input, init));
      const answer = answers.shift() ?? new Error('no more answers');
      if (answer instanceof Error) throw answer;
      return typeof answer === 'function' ? answer() : answer;
    },
    ...options,
  });
  return { client, sent };
}

export const json = (body: object, status = 200, headers = {}) => new Response(JSON.stringify(body), { status, headers });

export const refusal = (status: number, code: string, more = {}, headers = {}) =>
  json({ error: { code, message: `it is ${code}`, param: 'x', request_id: 'r', ...more } }, status, {
    'x-request-id': 'r',
    ...headers,
  });

export const training = (status: TrainingRecord['status'], step: number): TrainingRecord => ({
  id: 'trn_7yt09zhw3gq8m5tr1vkd2xcfaj',
  object: 'training',
  status,
  cancel_requested: false,
  created_at: '',
  started_at: null,
  finished_at: null,
  attempts: 1,
  progress: { step, total_steps: 10, loss: null, seconds_left: null },
  error: null,
  trace: null,
  warnings: [],
  checkpoints: [],
  best_step: null,
  samples: [],
  request: {
    model: 'm',
    name: 'n',
    files: [],
    rank: 8,
    alpha: 8,
    targets: 'attention',
    train_text_encoder: false,
    steps: 10,
    batch_size: 1,
    gradient_accumulation_steps: 1,
    seed: 1,
    resolution: 128,
    enable_bucket: false,
    flip_aug: false,
    shuffle_caption: false,
    keep_tokens: 0,
    caption_dropout: 0,
    prior_files: [],
    prior_loss_weight: 1,
    optimizer: 'adamw',
    weight_decay: 0.01,
    learning_rate: 0.001,
    lr_scheduler: 'constant',
    lr_warmup_steps: 0,
    lr_scheduler_num_cycles: 1,
    noise_offset: 0,
    validation_split: 0,
    save_steps: 100,
    sample_prompts: [],
    sample_every_n_steps: 100,
    gradient_checkpointing: 'auto',
  },
  output: null,
});

/** Lets every one of the clock's timers run until the promise is settled. */
export async function hurry<T>(
  clock: { advanceTimersByTimeAsync(milliseconds: number): Promise<unknown> },
  promise: Promise<T>,
): Promise<T> {
  let settled = false;
  const done = () => {
    settled = true;
  };
  promise.then(done, done);
  while (!settled) await clock.advanceTimersByTimeAsync(100);
  return promise;
}
