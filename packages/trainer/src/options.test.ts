import { settledTrainingRequestSchema, type TrainingRequestInput } from '@loraloom/jobs';
import { expect, test } from 'vitest';
import { trainingOf } from './options.ts';

const settled = { model: 'm', name: 'n', files: [{ file_id: 'file_7yt09zhw3gq8m5tr1vkd2xcfaj', caption: '' }] };
const read = () => Promise.reject(new Error('not read here'));
const trainingWith = (change: Partial<TrainingRequestInput>, caption = 'a dog') =>
  trainingOf(
    settledTrainingRequestSchema.parse({
      ...{ ...settled, alpha: 4, seed: 1, steps: 9, resolution: 64, learning_rate: 1, sample_every_n_steps: 1 },
      ...change,
    }),
    { files: [{ read, caption }] },
  );

test.each([
  [{ keep_tokens: 2 }, { keptTags: 2 }],
  [{ keep_tokens: 1, trigger_word: 'sks' }, { keptTags: 2 }],
  [{ trigger_word: 'sks, a dog' }, { keptTags: 2 }],
  [{ mixed_precision: 'fp16' }, { precision: 'float16' }],
  [{ mixed_precision: 'no' }, { precision: 'float32' }],
  [{ gradient_checkpointing: false }, { recompute: false }],
  [{ text_encoder_lr: 0.5 }, { textLearningRate: 0.5, learningRate: 1 }],
  [
    { prior_loss_weight: 0.3, validation_split: 0.2, ema_decay: 0 },
    { priorWeight: 0.3, validationSplit: 0.2, emaDecay: 0 },
  ],
] satisfies [Partial<TrainingRequestInput>, object][])('%j', (change, expected) => {
  expect(trainingWith(change)).toMatchObject(expected);
});

test('what is left to the engine is left out', () => {
  for (const key of [
    'precision',
    'recompute',
    'textLearningRate',
    'maxGradientNorm',
    'minSnrGamma',
    'emaDecay',
    'start',
    'resume',
  ])
    expect(trainingWith({})).not.toHaveProperty(key);
});

test.each([
  ['sks', 'a dog', 'sks, a dog'],
  [undefined, 'a dog', 'a dog'],
  ['sks', ' ', 'sks'],
])('trigger word %j before %j: %j', (trigger_word, caption, expected) => {
  const { examples } = trainingWith(trigger_word === undefined ? {} : { trigger_word }, caption);
  expect(examples.map((example) => example.caption)).toEqual([expected]);
});
