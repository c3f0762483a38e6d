import { OpenAPIHono } from '@hono/zod-openapi';
import type { Audited } from '@loraloom/jobs';
import type { Context } from 'hono';
import { z } from 'zod';
import type { Caller } from './caller.ts';
import { ApiError, errorSchema, errorType, invalidRequest } from './error.ts';

/** What the middleware in app.ts puts into a request's context. */
export type Env = { Variables: { requestId: string; caller: Caller; audited?: Audited } };

/**
 * A router whose routes refuse what does not fit their schemas.
 * @param meantBy which key an unknown one of a body was meant for
 */
export function newRouter(meantBy?: (key: string) => string): OpenAPIHono<Env> {
  return new OpenAPIHono<Env>({
    defaultHook: (result) => {
      if (result.success) return;
      // An id that cannot be an id names nothing, which is not worth another kind of answer than "not found".
      if (result.target === 'param') throw new ApiError(404, 'not_found', 'no such thing', pathOf(result.error.issues));
      throw invalidRequest(result.error.issues, result.target === 'json' ? meantBy : undefined);
    },
  });
}

function pathOf(issues: z.core.$ZodIssue[]): string | null {
  return issues[0]?.path.join('.') ?? null;
}

/** `?limit=&after=` of a listing. */
export function pageQuery(after: z.ZodType<string>) {
  return z.strictObject({
    limit: z.coerce.number().int().min(1).max(100).default(20).meta({ example: 20 }),
    after: after.optional().meta({ description: '`next` of the page before' }),
  });
}

export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({
    object: z.literal('list'),
    data: z.array(item),
    next: z.string().nullable().meta({ description: 'Pass it as `after` to get the next page; null on the last one' }),
  });
}

export function json<T extends z.ZodType>(description: string, schema: T, example: z.output<T>) {
  return { description, content: { 'application/json': { schema, example } } };
}

export function body<T extends z.ZodType>(schema: T, example: z.input<T>) {
  return { body: { required: true, content: { 'application/json': { schema, example } } } };
}

const meanings = {
  401: ['unauthorized', 'No API key, or one that is not valid'],
  403: ['insufficient_scope', 'The key or token may not do this'],
  404: ['not_found', 'It does not exist, or is not yours'],
  410: ['deleted', 'It was there, and is no more'],
  409: ['already_finished', 'Too late, or not the same as before'],
  400: ['malformed_json', 'The body is not JSON'],
  413: ['too_large', 'The body has too many bytes'],
  415: ['unsupported_media_type', 'The body is of another type'],
  500: ['internal_error', 'Something went wrong on our side; it was logged'],
  504: ['not_yet', 'It takes longer than an answer may; the job goes on'],
  422: ['invalid_request', 'The request does not fit its schema, or names something that is not there'],
  429: [
    'rate_limited',
    'Too many requests, a quota that is used up, or too many unfinished jobs; Retry-After says when to ask again',
  ],
} as const;

/** What can be wrong with a body. */
export const ofBody = [400, 413, 415, 422] as const;

/** The error answers of a route, for the API's description; any may be our fault. */
export function errors(...statuses: (keyof typeof meanings)[]) {
  return Object.fromEntries(
    [...statuses, 500 as const].map((status) => {
      const [code, description] = meanings[status];
      const example = {
        error: { code, message: '…', type: errorType(status), param: null, request_id: '5c4c7f04-0c3c-4b0e-9a51-c8b1f0a6a4a7' },
      };
      return [status, json(description, errorSchema, example)];
    }),
  );
}

/** Where the caller may look for a job that was accepted, and when it is worth doing so. */
export function setJobHeaders(c: Context, path: string, retryAfterSeconds: number) {
  c.header('Location', path);
  c.header('Retry-After', `${retryAfterSeconds}`);
}
