import { z } from 'zod';
import { type IdKind, imageIdSchema, trainingIdSchema } from './ids.ts';
import { type JobFolder, tenantSchema } from './keys.ts';
import { refusalSchema } from './refusal.ts';

export const jobStatusSchema = z.enum(['queued', 'running', 'succeeded', 'failed', 'canceled']);
export type JobStatus = z.infer<typeof jobStatusSchema>;

/** True once nothing about the job can change any more. */
export function isFinal(status: JobStatus): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'canceled';
}

export const jobErrorSchema = z
  .object({
    code: z.string().meta({ description: 'Stable, for programs', example: 'not_a_picture' }),
    message: z.string().meta({ description: 'What was wrong and what was wanted' }),
    param: z.string().nullable().meta({ description: 'The part of the request at fault', example: 'files.3.file_id' }),
    refusal: refusalSchema.optional().meta({ description: 'With code content_refused' }),
  })
  .meta({ id: 'JobError' });
export type JobError = z.infer<typeof jobErrorSchema>;

export const progressSchema = z
  .object({
    step: z.int().nonnegative(),
    total_steps: z.int().nonnegative(),
    loss: z.number().nullable(),
    seconds_left: z.number().nonnegative().nullable(),
  })
  .meta({ id: 'Progress' });
export type Progress = z.infer<typeof progressSchema>;

const moment = z.iso.datetime();

/** How long a request may wait and take; both in seconds, up to a day. */
export const deadlineFields = {
  start_deadline_seconds: z.int().min(1).max(86_400).optional().meta({
    description: 'A job that no worker has begun after so long is not begun: it fails with start_deadline_exceeded',
  }),
  run_deadline_seconds: z.int().min(1).max(86_400).optional().meta({
    description: 'A job that has not ended so long after it was begun is stopped: it fails with run_deadline_exceeded',
  }),
};
export const deadlinesSchema = z.object(deadlineFields);

/** Whose doing something was: the request, and what the caller traces it by (w3.org/TR/trace-context), if anything. */
export const traceSchema = z.object({ request_id: z.string(), trace_id: z.string().optional() });
export type Trace = z.infer<typeof traceSchema>;

/** What every job's record has in common; a kind adds id, object, request and output. */
export const jobFields = {
  status: jobStatusSchema,
  cancel_requested: z.boolean().meta({ description: 'A running job was asked to stop; the worker ends it' }),
  created_at: moment,
  started_at: moment.nullable(),
  finished_at: moment.nullable(),
  attempts: z.int().nonnegative().meta({ description: 'How many times a worker has begun this job' }),
  progress: progressSchema,
  error: jobErrorSchema.nullable(),
  trace: traceSchema.nullable().default(null).meta({ description: 'The request that made it; its log lines have it too' }),
};

export interface JobRecord {
  id: string;
  object: 'training' | 'image';
  status: JobStatus;
  cancel_requested: boolean;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  attempts: number;
  progress: Progress;
  error: JobError | null;
  trace: Trace | null;
  request: object;
  output: object | null;
}

/** A kind of job: what tells trainings from images wherever the rest is the same. */
export interface JobKind<Request extends object, Record extends JobRecord> {
  name: Extract<IdKind, 'training' | 'image'>;
  folder: JobFolder;
  id: z.ZodType<string>;
  /** The request as the worker gets it, every default settled. */
  request: z.ZodType<Request>;
  record: z.ZodType<Record>;
}

const handling = {
  /** A worker may have died of this job, so it is to be run with no others beside it. */
  alone: z.literal(true).optional(),
  /** For the log. */
  trace: traceSchema.optional(),
};

/** What travels through a queue: a job's address, and how to handle it. */
export const messageSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('training'), tenant: tenantSchema, id: trainingIdSchema, ...handling }),
  z.strictObject({ kind: z.literal('image'), tenant: tenantSchema, id: imageIdSchema, ...handling }),
]);
export type JobMessage = z.infer<typeof messageSchema>;
