import { expect, test } from 'vitest';
import { newId } from './ids.ts';
import { heldOut, settleTraining } from './settle-training.ts';
import { settledTrainingRequestSchema, type TrainingRequestInput, trainingRequestSchema } from './training-request.ts';

const fallback = { resolution: 512, seed: 9 };
const requestOf = (change: Partial<TrainingRequestInput>, pictures = 10) =>
  trainingRequestSchema.parse({
    model: 'm',
    name: 'n',
    files: Array.from({ length: pictures }, () => ({ file_id: newId('file'), caption: '' })),
    ...change,
  });
const settle = (change: Partial<TrainingRequestInput>, pictures?: number) =>
  settleTraining(requestOf(change, pictures), fallback);

test('what is left open follows from the rest, and nothing more is needed', () => {
  const settled = settle({ rank: 16 });
  expect(settled).toMatchObject({
    alpha: 16,
    learning_rate: 1e-3,
    seed: 9,
    resolution: 512,
    steps: 400,
    save_steps: 100,
    sample_every_n_steps: 100,
  });
  expect(settledTrainingRequestSchema.parse(settled)).toEqual(settled);
  const chosen = { alpha: 1, seed: 0, resolution: 64, steps: 3, save_steps: 2, sample_every_n_steps: 7 };
  expect(settle(chosen)).toMatchObject(chosen);
});

const repeated = Array.from({ length: 20 }, (_, i) => ({
  file_id: newId('file'),
  caption: '',
  ...(i < 10 ? { repeats: 3 } : {}),
}));

test.each([
  // An epoch of 23 is five batches of four and one of three; one of 18 that are trained on and as many prior ones, twelve of three.
  [{ epochs: 10, batch_size: 4 }, 23, 60],
  [{ epochs: 10, batch_size: 4, gradient_accumulation_steps: 8 }, 23, 8],
  [{ epochs: 100, batch_size: 16 }, 1, 100],
  [{ epochs: 2, batch_size: 3, validation_split: 0.1, prior_files: [{ file_id: newId('file'), caption: '' }] }, 20, 24],
  [{ epochs: 10, batch_size: 2, gradient_accumulation_steps: 5 }, 20, 20],
  [{ epochs: 3, batch_size: 1, validation_split: 0.1 }, 20, 54],
  // 20 pictures, 10 of them shown three times; a tenth kept for validation: 36 times a picture is shown, and as many prior ones.
  [{ epochs: 2, batch_size: 4, validation_split: 0.1, files: repeated, prior_files: repeated }, 20, 36],
])('%j of %i pictures are %i steps', (change, pictures, steps) => {
  expect(settle(change, pictures)).toMatchObject({ steps, epochs: change.epochs });
});

test('checkpoints and samples every few epochs come after as many steps', () => {
  // An epoch is six batches, two steps of three or one and a half of four.
  const every = { save_every_n_epochs: 2, sample_every_n_epochs: 3, sample_prompts: ['a cat'] };
  expect(settle({ ...every, gradient_accumulation_steps: 3 }, 23)).toMatchObject({ save_steps: 4, sample_every_n_steps: 6 });
  expect(settle({ ...every, gradient_accumulation_steps: 4 }, 23)).toMatchObject({ save_steps: 3, sample_every_n_steps: 5 });
  const settled = settle({ epochs: 9, save_every_n_epochs: 2 }, 23);
  expect(settled).toMatchObject({ steps: 54, save_steps: 12, sample_every_n_steps: 12 });
  // What a record shows may be asked for again.
  expect(settleTraining(settled, fallback)).toEqual(settled);
});

test.each([
  [0, 10, 0],
  [0.1, 3, 1],
  [0.1, 24, 2],
  [0.5, 7, 4],
])('a validation split of %d of %i pictures keeps %i of them', (validation_split, pictures, kept) => {
  expect(heldOut(requestOf({ validation_split }, pictures))).toBe(kept);
});

test.each([
  ['options_conflict', 'epochs', { steps: 10, epochs: 1 }],
  ['options_conflict', 'save_every_n_epochs', { save_steps: 10, save_every_n_epochs: 1 }],
  ['options_conflict', 'sample_every_n_epochs', { sample_every_n_steps: 10, sample_every_n_epochs: 1 }],
  ['options_conflict', 'lr_warmup_steps', { lr_warmup_steps: 10 }],
  ['options_conflict', 'lr_scheduler_num_cycles', { lr_scheduler: 'cosine', lr_scheduler_num_cycles: 2 }],
  ['options_conflict', 'text_encoder_lr', { text_encoder_lr: 1e-5 }],
  ['options_conflict', 'validation_split', { validation_split: 0.5, files: [{ file_id: newId('file'), caption: '' }] }],
  ['too_many_steps', 'epochs', { epochs: 1000, batch_size: 1, files: requestOf({}, 101).files }],
] satisfies [string, string, Partial<TrainingRequestInput>][])('%s: %s', (code, param, change) => {
  expect(() => settle(change)).toThrow(expect.objectContaining({ code, param }));
});

test('options that go together do', () => {
  expect(settle({ lr_scheduler: 'cosine_with_restarts', lr_scheduler_num_cycles: 3, lr_warmup_steps: 5 }).steps).toBe(400);
  expect(settle({ train_text_encoder: true, text_encoder_lr: 1e-5 }).text_encoder_lr).toBe(1e-5);
});
