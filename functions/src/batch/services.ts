import type { Bucket, JobQueues, Limits, Prices } from '@loraloom/jobs';
import type { Moderator } from '@loraloom/moderation';

/** What moving a batch on needs from the outside. */
export interface BatchServices {
  bucket: Bucket;
  queues: JobQueues;
  /** Lines are charged for as single requests are. */
  limits: Limits;
  /** Without them nothing can be estimated. */
  prices?: Prices | undefined;
  /** Judges prompts; default: by the word lists alone. */
  moderator?: Moderator;
  /** Default: by the clock. */
  sleep?: (milliseconds: number) => Promise<void>;
  /** Takes one structured log line. */
  log: (line: Record<string, unknown>) => void;
}

/** Lines that are submitted, finished and written down together. */
export const chunkLines = 50;

/**
 * Chunks under way at once. It bounds how many places in the queue of images one batch takes: 200, enough to keep some GPUs busy
 * from one tick to the next, few enough that other people's pictures do not wait behind thousands.
 */
export const activeChunks = 4;

/** Calls of the bucket or a queue at a time. */
export const callsAtOnce = 32;
