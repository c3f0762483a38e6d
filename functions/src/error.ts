import { type Finding, findingSchema, type Refusal, RequestError, type RequestErrorCode, refusalSchema } from '@loraloom/jobs';
import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { z } from 'zod';
import type { Env } from './router.ts';
import type { Services } from './services.ts';

/** The shape of every answer that is not a success. */
export const errorSchema = z
  .object({
    error: z.object({
      code: z.string().meta({ description: 'Stable, for programs', example: 'invalid_request' }),
      message: z.string().meta({ description: 'What was wrong and what was wanted', example: 'steps: want at most 20000' }),
      type: z.enum(['invalid_request_error', 'authentication_error', 'rate_limit_error', 'server_error']).meta({
        description: 'As OpenAI’s clients know it; the status says the same',
      }),
      param: z.string().nullable().meta({ description: 'Path of the field at fault', example: 'steps' }),
      refusal: refusalSchema.optional().meta({ description: 'With code content_refused' }),
      request_id: z.string().meta({ description: 'Also in the X-Request-Id header; quote it when you ask for help' }),
      findings: z.array(findingSchema).optional().meta({ description: 'With preflight_failed: all that was found' }),
    }),
  })
  .meta({ id: 'Error' });

/** An error the caller may see. Any other one is a 500 with a log line. */
export class ApiError extends Error {
  readonly status: ContentfulStatusCode;
  readonly code: string;
  readonly param: string | null;
  /** What a program may want to know beyond the field at fault. */
  readonly more: { findings?: readonly Finding[] | undefined; refusal?: Refusal };
  /** When it is worth asking again. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    status: ContentfulStatusCode,
    code: string,
    message: string,
    param: string | null = null,
    { retryAfterSeconds, ...more }: ApiError['more'] & { retryAfterSeconds?: number } = {},
  ) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.param = param;
    this.more = more;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export function errorType(status: number): z.infer<typeof errorSchema>['error']['type'] {
  if (status >= 500) return 'server_error';
  if (status === 429) return 'rate_limit_error';
  return status === 401 ? 'authentication_error' : 'invalid_request_error';
}

export function notFound(what: string, param: string): ApiError {
  return new ApiError(404, 'not_found', `no ${what}`, param);
}

/** 422: the request names something that is not there; 409: it comes too late. */
const statuses: Record<RequestErrorCode, ContentfulStatusCode> = {
  unknown_model: 422,
  unknown_lora: 422,
  unknown_file: 422,
  file_not_uploaded: 422,
  image_wanted: 422,
  lora_mismatch: 422,
  unknown_training: 422,
  options_conflict: 422,
  too_many_steps: 422,
  bad_settings: 422,
  preflight_failed: 422,
  unknown_version: 422,
  digest_gone: 422,
  unknown_image: 422,
  not_a_picture: 422,
  too_many_shares: 422,
  wrong_file_type: 422,
  no_prices: 422,
  nothing_to_retry: 409,
  not_finished: 409,
  id_taken: 409,
  already_finished: 409,
};

/** What hono and its validators throw of themselves. */
const thrownByHono: Record<number, { code: string; message: string }> = {
  400: { code: 'malformed_json', message: 'the body is not JSON; want a JSON object' },
  415: { code: 'unsupported_media_type', message: 'want content-type: application/json' },
};

/** Answers with whatever was thrown: the caller's fault as it is, ours as a 500 and one log line. */
export function answerError(error: unknown, c: Context<Env>, log: Services['log']): Response {
  const shown = asApiError(error);
  if (shown) return answer(c, shown);
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  // The path without its query and no headers: neither a signature nor a key gets into the log.
  log({ level: 'error', request_id: c.var.requestId, method: c.req.method, path: c.req.path, error: name, message, stack });
  return answer(c, new ApiError(500, 'internal_error', 'something went wrong on our side; it was logged'));
}

/** What the caller is told of an error; undefined: nothing but that it was ours. */
export function asApiError(error: unknown): ApiError | undefined {
  if (error instanceof ApiError) return error;
  if (error instanceof RequestError)
    return new ApiError(statuses[error.code], error.code, error.message, error.param, { findings: error.findings });
  if (error instanceof HTTPException) {
    const known = thrownByHono[error.status];
    return known && new ApiError(error.status, known.code, known.message);
  }
  return undefined;
}

function answer(c: Context<Env>, { status, code, message, param, more, retryAfterSeconds }: ApiError): Response {
  if (status === 401) c.header('WWW-Authenticate', 'Bearer');
  if (retryAfterSeconds !== undefined) c.header('Retry-After', `${retryAfterSeconds}`);
  return c.json({ error: { code, message, type: errorType(status), param, request_id: c.var.requestId, ...more } }, status);
}

/**
 * A failed validation as an error: the first issue's path, and what was wanted there.
 * @param meantBy which key an unknown one was meant for
 */
export function invalidRequest(issues: z.core.$ZodIssue[], meantBy?: (key: string) => string): ApiError {
  const issue = issues[0] && meant(issues[0]);
  if (!issue) return new ApiError(422, 'invalid_request', 'the request is not as it should be');
  if (issue.code === 'unrecognized_keys') {
    const param = [...issue.path, issue.keys[0]].join('.');
    const hint = meantBy && issue.path.length === 0 ? `did you mean ${meantBy(param)}?` : 'see /openapi.json for the known ones';
    return new ApiError(422, 'invalid_request', `${param}: unknown key; ${hint}`, param);
  }
  const param = issue.path.join('.');
  return new ApiError(422, 'invalid_request', param === '' ? issue.message : `${param}: ${issue.message}`, param || null);
}

/**
 * Where several shapes may be sent, what is wrong with the one that was meant: the one whose own keys fit best.
 * @returns the first issue with that one
 */
function meant(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue;
  const misfits = (issues: z.core.$ZodIssue[]) => issues.filter(({ path }) => path.length <= 1).length;
  const [closest] = issue.errors.toSorted((a, b) => misfits(a) - misfits(b));
  const [first] = closest ?? [];
  return first ? meant({ ...first, path: [...issue.path, ...first.path] }) : issue;
}
