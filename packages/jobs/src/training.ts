import { z } from 'zod';
import { findingSchema } from './finding.ts';
import { loraIdSchema, trainingIdSchema } from './ids.ts';
import { type JobKind, jobFields } from './job.ts';
import { nameSchema } from './keys.ts';
import { diffusersFileSchema } from './lora.ts';
import { settledTrainingRequestSchema, type TrainingRequest } from './training-request.ts';

const checkpointFields = {
  step: z.int().positive(),
  loss: z.number().meta({ description: 'Smoothed over about twenty steps' }),
  validation_loss: z.number().nullable().meta({ description: 'On the pictures that validation_split keeps; lower is better' }),
  size_bytes: z.int(),
  sha256: z.string(),
};
const sampleFields = {
  step: z.int().positive(),
  index: z.int().min(0).meta({ description: 'Of the prompt' }),
  prompt: z.string(),
};

export const trainingRecordSchema = z
  .object({
    id: trainingIdSchema,
    object: z.literal('training'),
    ...jobFields,
    request: settledTrainingRequestSchema,
    warnings: z.array(findingSchema).default([]).meta({ description: 'What the preflight found that does not stop a training' }),
    checkpoints: z.array(z.object(checkpointFields)).default([]).meta({ description: 'The LoRA as it was every save_steps' }),
    best_step: z
      .int()
      .nullable()
      .default(null)
      .meta({ description: 'Of the checkpoint with the lowest validation_loss, where there is one' }),
    samples: z.array(z.object(sampleFields)).default([]),
    output: z
      .object({
        lora: z.object({
          ...{ name: nameSchema, lora_id: loraIdSchema, size_bytes: z.int(), sha256: z.string() },
          diffusers: diffusersFileSchema,
        }),
        final_loss: z.number(),
      })
      .nullable(),
  })
  .meta({ id: 'Training' });
export type TrainingRecord = z.infer<typeof trainingRecordSchema>;

/** The record as the API shows one: with presigned URLs of what was made on the way. */
export const trainingViewSchema = trainingRecordSchema
  .extend({
    checkpoints: z.array(z.object({ ...checkpointFields, url: z.url() })),
    samples: z.array(z.object({ ...sampleFields, url: z.url() })),
  })
  .meta({ id: 'TrainingDetails' });
export type TrainingView = z.infer<typeof trainingViewSchema>;

/** What happens in a training, in the order in which it does; a step that is taken again after a crash is told again. */
export const trainingEventSchema = z
  .discriminatedUnion('type', [
    z.object({ type: z.literal('step'), at: z.iso.datetime(), step: z.int(), loss: z.number(), learning_rate: z.number() }),
    z.object({
      type: z.literal('checkpoint'),
      at: z.iso.datetime(),
      step: z.int(),
      loss: z.number(),
      validation_loss: z.number().nullable(),
    }),
    z.object({ type: z.literal('sample'), at: z.iso.datetime(), step: z.int(), index: z.int(), prompt: z.string() }),
    z.object({ type: z.literal('log'), at: z.iso.datetime(), message: z.string() }),
  ])
  .meta({ id: 'TrainingEvent' });
export type TrainingEvent = z.infer<typeof trainingEventSchema>;

export const trainings: JobKind<TrainingRequest, TrainingRecord> = {
  name: 'training',
  folder: 'trainings',
  id: trainingIdSchema,
  request: settledTrainingRequestSchema,
  record: trainingRecordSchema,
};
