import { z } from 'zod';
import { batchIdSchema, fileIdSchema } from './ids.ts';
import { jobErrorSchema, traceSchema } from './job.ts';
import { tenantSchema } from './keys.ts';
import type { Queue } from './queue/port.ts';
import { webhookFields } from './webhook.ts';

/** Most lines of a batch. */
export const maxBatchLines = 50_000;

/** A batch of image requests as it is asked for. */
export const batchRequestSchema = z
  .strictObject({
    input_file_id: fileIdSchema.optional().meta({
      description: `An uploaded JSONL file: an image request with a custom_id on each line, ${maxBatchLines} at most`,
    }),
    template: z
      .record(z.string(), z.unknown())
      .optional()
      .meta({
        description:
          'An image request whose texts may hold {{column}}, made once for each row of the CSV file; its custom_id, too. Default of that: the row’s number',
        example: { custom_id: '{{sku}}', model: 'emoji', prompt: '{{name}}, white background' },
      }),
    csv_file_id: fileIdSchema.optional().meta({ description: 'An uploaded CSV file whose first row names the columns' }),
    budget: z
      .strictObject({
        max_images: z.int().min(1).optional(),
        max_cost: z.number().positive().optional().meta({ description: 'In the currency of the deployment’s prices' }),
      })
      .optional()
      .meta({ description: 'Lines that would cost more are not begun, and the batch ends as canceled' }),
    dry_run: z.boolean().default(false).meta({ description: 'Only check and estimate: nothing is made' }),
    ...webhookFields,
  })
  .superRefine(({ input_file_id, template, csv_file_id }, context) => {
    const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (input_file_id === undefined && csv_file_id === undefined)
      refuse('input_file_id', 'want input_file_id, or template and csv_file_id');
    if (input_file_id !== undefined && csv_file_id !== undefined)
      refuse('csv_file_id', 'want either input_file_id or csv_file_id');
    if (csv_file_id !== undefined && template === undefined) refuse('template', 'csv_file_id wants a template');
    if (csv_file_id === undefined && template !== undefined) refuse('csv_file_id', 'template wants a csv_file_id');
  })
  .meta({ id: 'BatchRequest' });
export type BatchRequestInput = z.input<typeof batchRequestSchema>;
export type BatchRequest = z.output<typeof batchRequestSchema>;

export const batchStatusSchema = z.enum(['validating', 'running', 'finalizing', 'succeeded', 'failed', 'canceling', 'canceled']);
export type BatchStatus = z.infer<typeof batchStatusSchema>;

/** True once nothing about the batch can change any more. */
export function isFinalBatch(status: BatchStatus): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'canceled';
}

/** What is wrong with a line. */
export const lineErrorSchema = jobErrorSchema
  .extend({ line: z.int().positive().meta({ description: 'Of the JSONL file, or row of the CSV file; both from 1' }) })
  .meta({ id: 'LineError' });
export type LineError = z.infer<typeof lineErrorSchema>;

const count = z.int().nonnegative();
export const requestCountsSchema = z.object({
  total: count,
  queued: count,
  running: count,
  succeeded: count,
  failed: count,
  canceled: count,
});
export type RequestCounts = z.infer<typeof requestCountsSchema>;

/** What pictures take: their number, and megapixels × steps summed over them. */
export const workSchema = z.object({ images: count, megapixel_steps: z.number().nonnegative() });
export type Work = z.infer<typeof workSchema>;

/** Pieces that a batch is cut into: what is begun, finished and written down together. */
const chunk = z.int().nonnegative();

/** How far the fan-out of a batch has come; only its ticks write this. */
const fanoutSchema = z.object({
  tick: z.int().nonnegative().meta({ description: 'Number of the next tick: messages of earlier ones are out of date' }),
  ticked_at: z.iso.datetime(),
  idle: z.int().nonnegative().meta({ description: 'Ticks since something last happened' }),
  chunks: count,
  next: chunk.meta({ description: 'The first chunk that has not been begun' }),
  /**
   * The first `lines` lines of each are submitted as jobs whose ids follow from `since`, and all of them have been once it is
   * `submitted`; the rest is canceled.
   */
  active: z.array(z.object({ chunk, since: z.iso.datetime(), lines: count, submitted: z.boolean(), work: workSchema })),
  settled: requestCountsSchema.pick({ succeeded: true, failed: true, canceled: true }),
  over_budget: z.boolean(),
  output_bytes: count,
  errors_bytes: count,
  /** Chunks `first` to `last`, both included, share an archive; `size_bytes` once it is written. */
  archives: z.array(z.object({ first: chunk, last: chunk, images: count, size_bytes: count.nullable() })),
});

const moment = z.iso.datetime();
const batchFields = {
  id: batchIdSchema,
  object: z.literal('batch'),
  status: batchStatusSchema,
  cancel_requested: z.boolean(),
  created_at: moment,
  started_at: moment.nullable(),
  finished_at: moment.nullable(),
  request: batchRequestSchema,
  retry_of: batchIdSchema.nullable().meta({ description: 'The batch whose failed lines these are' }),
  request_counts: requestCountsSchema,
  error: jobErrorSchema.nullable(),
  trace: traceSchema.nullable().default(null).meta({ description: 'The request that made it; its jobs have it too' }),
  errors: z.array(lineErrorSchema).meta({ description: 'Why it failed validation: the first 100 lines that are not right' }),
};

/** The record as the bucket holds it. */
export const batchRecordSchema = z.object({ ...batchFields, work: workSchema, fanout: fanoutSchema });
export type BatchRecord = z.infer<typeof batchRecordSchema>;

const estimate = {
  estimated_gpu_seconds: z
    .number()
    .nullable()
    .meta({ description: 'At the deployment’s seconds for a megapixel and step; null if it has none configured' }),
  estimated_cost: z.number().nullable().meta({ description: 'At the deployment’s prices; null if it has none configured' }),
  currency: z.string().nullable(),
};

/** The record as the API shows it. */
export const batchViewSchema = z
  .object({
    ...batchFields,
    usage: z.object({ images: count, ...estimate }).meta({ description: 'Of the pictures made so far' }),
    output: z
      .object({
        output_url: z.url().nullable().meta({ description: 'JSONL of the lines that succeeded' }),
        errors_url: z.url().nullable().meta({ description: 'JSONL of the lines that failed or were canceled' }),
        archives: z
          .array(z.object({ url: z.url(), images: count, size_bytes: count }))
          .meta({ description: 'Zip files of the pictures' }),
      })
      .nullable()
      .meta({ description: 'Once it has ended; the URLs are valid for an hour' }),
  })
  .meta({ id: 'Batch' });
export type BatchView = z.infer<typeof batchViewSchema>;

/** What a dry run answers. */
export const batchEstimateSchema = z
  .object({
    object: z.literal('batch_estimate'),
    lines: count.meta({ description: 'Lines that would be begun' }),
    images: count,
    ...estimate,
    invalid_lines: count.meta({ description: 'Lines that are not right: with one of them the batch would fail' }),
    refused_lines: count.meta({ description: 'Lines that moderation refuses: the batch would go on without them' }),
    errors: z.array(lineErrorSchema).meta({ description: 'The first 100 of both' }),
  })
  .meta({ id: 'BatchEstimate' });
export type BatchEstimate = z.infer<typeof batchEstimateSchema>;

/** What pictures cost in a deployment, and how much work its GPUs do. */
export const pricesSchema = z.strictObject({
  currency: z.string().regex(/^[A-Z]{3}$/, 'want three capital letters, as USD'),
  per_image: z.number().nonnegative().default(0),
  per_gpu_second: z.number().nonnegative().default(0),
  /** Seconds for a step of a picture of a million pixels, guidance included, on one GPU that is kept busy. */
  gpu_seconds_per_megapixel_step: z.number().positive(),
});
export type Prices = z.infer<typeof pricesSchema>;

/** What an amount of work takes and costs, rounded to milliseconds and to millionths. */
export function estimateOf({ images, megapixel_steps }: Work, prices: Prices | undefined) {
  if (!prices) return { estimated_gpu_seconds: null, estimated_cost: null, currency: null };
  const seconds = megapixel_steps * prices.gpu_seconds_per_megapixel_step;
  const cost = images * prices.per_image + seconds * prices.per_gpu_second;
  return {
    estimated_gpu_seconds: Math.round(seconds * 1e3) / 1e3,
    estimated_cost: Math.round(cost * 1e6) / 1e6,
    currency: prices.currency,
  };
}

/** Travels through the queue of batches: one of them is to be moved on, for the `tick`-th time. */
export const batchMessageSchema = z.strictObject({
  kind: z.literal('batch'),
  tenant: tenantSchema,
  id: batchIdSchema,
  tick: z.int().nonnegative(),
});
export type BatchMessage = z.infer<typeof batchMessageSchema>;

export async function sendTick(queue: Queue, message: BatchMessage, delaySeconds = 0): Promise<void> {
  await queue.send(JSON.stringify(message), { delaySeconds, group: message.tenant });
}
