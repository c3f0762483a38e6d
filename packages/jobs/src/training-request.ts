import { z } from 'zod';
import { fileIdSchema, trainingIdSchema } from './ids.ts';
import { nameSchema } from './keys.ts';
import { webhookFields } from './webhook.ts';

const pictureSchema = z.strictObject({
  file_id: fileIdSchema,
  caption: z.string().max(2000).meta({ example: 'red apple, blue background' }),
  repeats: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .meta({ description: 'How often an epoch shows it, as kohya’s folders named 10_name say; default: once' }),
});

const rate = z.number().positive().max(1);
const epochs = z.int().min(1).max(1000).optional();

/** Where a training goes on from: a finished LoRA, or a checkpoint of another training. */
const continueFromSchema = z.union([
  z.strictObject({ lora: nameSchema }),
  z.strictObject({
    training_id: trainingIdSchema,
    step: z.int().min(1).optional().meta({ description: 'A checkpoint of it; default: its best one, or else its last' }),
  }),
]);

/** A training as it is asked for. Options are named as kohya's and diffusers' trainers name them. */
export const trainingRequestSchema = z
  .strictObject({
    model: nameSchema.meta({ description: 'Base model, see GET /v1/models', example: 'emoji' }),
    name: nameSchema.meta({ description: 'Name of the LoRA; training it again makes a new version', example: 'my-style' }),
    files: z.array(pictureSchema).min(1).max(1000),
    trigger_word: z.string().min(1).max(100).optional().meta({ description: 'Put before every caption' }),

    rank: z.int().min(1).max(128).default(8).meta({ description: 'How much the LoRA can learn, and how large its file is' }),
    alpha: z.number().positive().max(1024).optional().meta({ description: 'Scale of the LoRA is alpha / rank; default: rank' }),
    targets: z
      .enum(['attention', 'attention+ff', 'attention+ff+conv'])
      .default('attention')
      .meta({ description: 'The attention layers, all linear layers of the transformers, or convolutions as well' }),
    train_text_encoder: z.boolean().default(false).meta({ description: 'The text encoder is adapted as well' }),
    continue_from: continueFromSchema.optional().meta({ description: 'Trains on from these weights; default: from new ones' }),

    steps: z
      .int()
      .min(1)
      .max(100_000)
      .optional()
      .meta({ description: 'Updates of the weights; default: 400, or as epochs says' }),
    epochs: z
      .int()
      .min(1)
      .max(1000)
      .optional()
      .meta({ description: 'Instead of steps: how often every picture is shown, times its repeats. The record says the steps' }),
    batch_size: z.int().min(1).max(16).default(4).meta({ description: 'Pictures at a time' }),
    gradient_accumulation_steps: z
      .int()
      .min(1)
      .max(64)
      .default(1)
      .meta({ description: 'Batches whose gradients are averaged for one step' }),
    seed: z
      .int()
      .min(0)
      .max(2 ** 32 - 1)
      .optional()
      .meta({ description: 'Default: drawn, and shown in the record' }),

    resolution: z
      .int()
      .multipleOf(8)
      .min(64)
      .max(1536)
      .optional()
      .meta({ description: 'Pixels a side that pictures are scaled to; default: the model’s' }),
    enable_bucket: z
      .boolean()
      .default(false)
      .meta({ description: 'Pictures keep about their aspect ratio, at resolution² pixels; otherwise they are cut to a square' }),
    flip_aug: z.boolean().default(false).meta({ description: 'Every other picture, drawn anew each time, is shown mirrored' }),
    shuffle_caption: z.boolean().default(false).meta({ description: 'The tags between commas are shown in an order drawn anew' }),
    keep_tokens: z
      .int()
      .min(0)
      .max(255)
      .default(0)
      .meta({ description: 'Tags at the front that shuffle_caption leaves there; the trigger word stays in any case' }),
    caption_dropout: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .meta({ description: 'How often a picture is shown without its caption' }),
    prior_files: z
      .array(pictureSchema)
      .max(1000)
      .default([])
      .meta({ description: 'Pictures of the class at large that the model should go on drawing as before (prior preservation)' }),
    prior_loss_weight: z
      .number()
      .min(0)
      .max(10)
      .default(1)
      .meta({ description: 'What a prior picture counts beside one of the others' }),

    optimizer: z
      .enum(['adamw', 'lion', 'prodigy'])
      .default('adamw')
      .meta({ description: 'prodigy finds the learning rate by itself' }),
    weight_decay: z.number().min(0).max(1).default(0.01).meta({ description: 'Pulls the weights towards zero' }),
    learning_rate: rate.optional().meta({ description: 'Default: 0.001 with adamw, 0.0001 with lion, 1 with prodigy' }),
    text_encoder_lr: rate.optional().meta({ description: 'With train_text_encoder; default: learning_rate' }),
    lr_scheduler: z
      .enum(['constant', 'constant_with_warmup', 'linear', 'cosine', 'cosine_with_restarts', 'polynomial'])
      .default('constant')
      .meta({ description: 'How the learning rate goes on until the last step' }),
    lr_warmup_steps: z.int().min(0).max(100_000).default(0).meta({ description: 'With any lr_scheduler but constant' }),
    lr_scheduler_num_cycles: z.int().min(1).max(100).default(1).meta({ description: 'With lr_scheduler cosine_with_restarts' }),
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
    noise_offset: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .meta({ description: 'Lets pictures become dark or bright as a whole; 0.05 to 0.1 is usual' }),
    ema_decay: z
      .number()
      .min(0)
      .lt(1)
      .optional()
      .meta({ description: 'The LoRA is a moving average of the weights; default: the last weights themselves' }),

    validation_split: z
      .number()
      .min(0)
      .max(0.5)
      .default(0)
      .meta({ description: 'Share of the pictures that is not trained on, but tells how good a checkpoint is' }),
    save_steps: z
      .int()
      .min(1)
      .max(100_000)
      .optional()
      .meta({ description: 'Steps between two checkpoints; default: 100, or more where that would make over 200 of them' }),
    save_every_n_epochs: epochs.meta({ description: 'Instead of save_steps' }),
    sample_prompts: z
      .array(z.string().min(1).max(2000))
      .max(4)
      .default([])
      .meta({ description: 'A picture is made of each of them on the way' }),
    sample_every_n_steps: z.int().min(1).max(100_000).optional().meta({ description: 'Default: save_steps' }),
    sample_every_n_epochs: epochs.meta({ description: 'Instead of sample_every_n_steps' }),

    gradient_checkpointing: z
      .union([z.boolean(), z.literal('auto')])
      .default('auto')
      .meta({ description: 'Less memory for more time; auto: where the memory would not do' }),
    mixed_precision: z
      .enum(['no', 'fp16'])
      .optional()
      .meta({ description: 'What the network computes in; the LoRA is float32 in either case. Default: no' }),
    ...webhookFields,
  })
  .meta({ id: 'TrainingRequest' });

/** A request's fields with the defaults filled in that need nothing but the request. */
export type ParsedTrainingRequest = z.output<typeof trainingRequestSchema>;

/** As a caller writes it, defaults left out. */
export type TrainingRequestInput = z.input<typeof trainingRequestSchema>;

/** The request in the record: what was asked with the defaults filled in. */
export const settledTrainingRequestSchema = trainingRequestSchema
  .required({
    alpha: true,
    learning_rate: true,
    seed: true,
    steps: true,
    resolution: true,
    save_steps: true,
    sample_every_n_steps: true,
  })
  .meta({ id: 'SettledTrainingRequest' });
export type TrainingRequest = z.infer<typeof settledTrainingRequestSchema>;
