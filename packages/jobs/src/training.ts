import { z } from 'zod';
import { findingSchema } from './finding.ts';
import { loraIdSchema, trainingIdSchema } from './ids.ts';
import { type JobKind, jobFields } from './job.ts';
import { nameSchema } from './keys.ts';
import { settledTrainingRequestSchema, type TrainingRequest } from './training-request.ts';

export const trainingRecordSchema = z
  .object({
    id: trainingIdSchema,
    object: z.literal('training'),
    ...jobFields,
    request: settledTrainingRequestSchema,
    warnings: z.array(findingSchema).default([]).meta({ description: 'What the preflight found that does not stop a training' }),
    output: z
      .object({
        lora: z.object({ name: nameSchema, lora_id: loraIdSchema, size_bytes: z.int(), sha256: z.string() }),
        final_loss: z.number(),
      })
      .nullable(),
  })
  .meta({ id: 'Training' });
export type TrainingRecord = z.infer<typeof trainingRecordSchema>;

export const trainings: JobKind<TrainingRequest, TrainingRecord> = {
  name: 'training',
  folder: 'trainings',
  id: trainingIdSchema,
  request: settledTrainingRequestSchema,
  record: trainingRecordSchema,
};
