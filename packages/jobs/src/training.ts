import { z } from 'zod';
import { fileIdSchema, loraIdSchema, trainingIdSchema } from './ids.ts';
import { type JobKind, jobFields } from './job.ts';
import { nameSchema } from './keys.ts';

/** A training as it is asked for. */
export const trainingRequestSchema = z
  .strictObject({
    model: nameSchema.meta({ description: 'Base model, see GET /v1/models', example: 'emoji' }),
    name: nameSchema.meta({ description: 'Name of the LoRA; training it again makes a new version', example: 'my-style' }),
    files: z
      .array(
        z.strictObject({
          file_id: fileIdSchema,
          caption: z.string().max(2000).meta({ example: 'red apple, blue background' }),
        }),
      )
      .min(1)
      .max(1000),
    rank: z.int().min(1).max(128).default(8),
    alpha: z.number().positive().max(1024).optional().meta({ description: 'Scale of the LoRA is alpha / rank; default: rank' }),
    learning_rate: z
      .number()
      .positive()
      .max(1)
      .optional()
      .meta({ description: 'Default: the worker’s choice for the optimizer' }),
    steps: z.int().min(1).max(20_000).default(400),
    batch_size: z.int().min(1).max(16).default(4),
    seed: z
      .int()
      .min(0)
      .max(2 ** 32 - 1)
      .optional()
      .meta({ description: 'Default: drawn, and shown in the record' }),
    trigger_word: z.string().min(1).max(100).optional().meta({ description: 'Put before every caption' }),
    train_text_encoder: z.boolean().default(false),
    targets: z.enum(['attention', 'attention+ff', 'attention+ff+conv']).default('attention'),
    optimizer: z
      .enum(['adamw', 'lion', 'prodigy'])
      .default('adamw')
      .meta({ description: 'prodigy finds the learning rate by itself' }),
    lr_scheduler: z
      .enum(['constant', 'constant_with_warmup', 'linear', 'cosine', 'cosine_with_restarts', 'polynomial'])
      .default('constant'),
    lr_warmup_steps: z.int().min(0).max(20_000).default(0).meta({ description: 'With any lr_scheduler but constant' }),
    max_grad_norm: z
      .number()
      .positive()
      .max(1000)
      .optional()
      .meta({ description: 'Longer gradients are shortened; default: not' }),
    min_snr_gamma: z
      .number()
      .positive()
      .max(100)
      .optional()
      .meta({ description: 'Min-SNR weighting, 5 is usual; default: none' }),
    noise_offset: z.number().min(0).max(1).default(0),
    caption_dropout: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .meta({ description: 'How often a picture is shown without its caption' }),
  })
  .meta({ id: 'TrainingRequest' });

/** As a caller writes it, defaults left out. */
export type TrainingRequestInput = z.input<typeof trainingRequestSchema>;

/** The request in the record: what was asked with the defaults filled in. */
export const settledTrainingRequestSchema = trainingRequestSchema
  .required({ alpha: true, seed: true })
  .meta({ id: 'SettledTrainingRequest' });
export type TrainingRequest = z.infer<typeof settledTrainingRequestSchema>;

export const trainingRecordSchema = z
  .object({
    id: trainingIdSchema,
    object: z.literal('training'),
    ...jobFields,
    request: settledTrainingRequestSchema,
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
