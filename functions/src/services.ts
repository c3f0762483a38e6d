import type { Bucket, JobQueues, Limits, Prices } from '@loraloom/jobs';
import type { Moderator } from '@loraloom/moderation';
import type { Context } from 'hono';
import type { Oidc } from './oidc.ts';

/** Everything the app needs from the outside; an entry makes them, tests make them in memory. */
export interface Services {
  bucket: Bucket;
  queues: JobQueues;
  limits: Limits;
  /** Secret that keys are hashed and tokens signed with; without it stolen hashes are worth nothing. */
  pepper: string;
  /** Whose JWTs are good as well as our own keys; default: nobody's. */
  oidc?: Oidc;
  /** Exact origins of web pages that may call the API, as `https://studio.example`. */
  origins: readonly string[];
  /** Most seconds that an answer may be held back, if less than the API allows: a gateway gives up before. */
  waitSeconds?: number;
  /** What pictures cost here; without them nothing is estimated. */
  prices?: Prices | undefined;
  /** Judges prompts, captions and names; default: by the word lists alone. */
  moderator?: Moderator;
  /** The address that a request came from, as whoever runs the app knows it; no header that a caller could write. */
  ipOf?: (c: Context) => string | undefined;
  /** Keeps prompts out of the audit. (A job's record has its prompt in any case: it is the job's.) */
  redactPrompts?: boolean;
  /** Told of every request once it is answered. */
  measure?: (request: { method: string; route: string; status: number }, seconds: number) => void;
  /** Takes one structured log line. */
  log: (line: Record<string, unknown>) => void;
}
