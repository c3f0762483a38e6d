import type { ImageRecord } from '@loraloom/jobs';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { z } from 'zod';
import { ApiError } from './error.ts';
import type { Env } from './router.ts';
import type { Services } from './services.ts';
import type { submitHeaders } from './submit.ts';
import { type imageBodySchema, submitImage } from './submit-image.ts';

/**
 * A request for pictures, carried through: for callers that know of no jobs. The answer is held back as long as the API does.
 * @throws ApiError 504 `not_yet`, with the job's place in Location, if it has not ended by then; it goes on
 * @throws ApiError with the job's own code if it failed
 */
export async function finishedImage(
  c: Context<Env>,
  services: Services,
  headers: Pick<z.infer<typeof submitHeaders>, 'idempotency-key'>,
  request: z.output<typeof imageBodySchema>,
): Promise<ImageRecord> {
  const { job, status } = await submitImage(c, services, { ...headers, prefer: 'wait=60' }, request);
  const place = `/v1/images/${job.id}`;
  c.header('Location', place);
  if (job.status === 'succeeded') return job;
  // OpenAI's clients send again what got a 504, which would be a second job.
  c.header('X-Should-Retry', 'false');
  if (status === 202) throw new ApiError(504, 'not_yet', `it takes longer than an answer may: GET ${place} until it has ended`);
  if (job.status === 'canceled') throw new ApiError(409, 'canceled', `${job.id} was canceled`);
  const { code, message, param } = job.error ?? { code: 'worker_failed', message: 'the job failed', param: null };
  throw new ApiError(statusOf(code), code, message, param);
}

/** A job fails for the request's sake, unless the worker could not, or not in time. */
function statusOf(code: string): ContentfulStatusCode {
  if (code === 'worker_failed') return 500;
  return code.endsWith('_deadline_exceeded') ? 504 : 422;
}
