import type { Bucket, JobQueues, Prices } from '@loraloom/jobs';
import type { Moderator } from '@loraloom/moderation';
import type { KeyStore } from './api-key.ts';

/** Everything the app needs from the outside; an entry makes them, tests make them in memory. */
export interface Services {
  bucket: Bucket;
  queues: JobQueues;
  keys: KeyStore;
  /** Secret that keys are hashed with; without it a stolen key store is worth nothing. */
  pepper: string;
  /** Exact origins of web pages that may call the API, as `https://studio.example`. */
  origins: readonly string[];
  /** Most seconds that an answer may be held back, if less than the API allows: a gateway gives up before. */
  waitSeconds?: number;
  /** What pictures cost here; without them nothing is estimated. */
  prices?: Prices | undefined;
  /** Judges prompts, captions and names; default: by the word lists alone. */
  moderator?: Moderator;
  /** Takes one structured log line. */
  log: (line: Record<string, unknown>) => void;
}
