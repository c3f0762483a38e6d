import type { Finding, Refusal } from '@loraloom/jobs';

/** What an error tells beside its status, code and words. */
export interface ErrorDetails {
  /** Path of the field at fault, as `files.3.file_id`. */
  param?: string | null | undefined;
  /** Quote it when you ask for help. */
  requestId?: string | null | undefined;
  /** With code `content_refused`: which category, how sure, and what was looked at. */
  refusal?: Refusal | null | undefined;
  /** With code `preflight_failed`: all that was found in the training's pictures and captions. */
  findings?: readonly Finding[] | undefined;
  /** When it is worth trying again, where the API says so: with 429, and with 504 `not_yet`. */
  retryAfterSeconds?: number | null | undefined;
}

/** An answer of the API that is not a success; `code` and `param` are the API's, for programs. */
export class LoraloomError extends Error {
  /** HTTP status, or 0 if no answer came. */
  readonly status: number;
  readonly code: string;
  readonly param: string | null;
  readonly requestId: string | null;
  readonly refusal: Refusal | null;
  readonly findings: readonly Finding[];
  readonly retryAfterSeconds: number | null;

  constructor(status: number, code: string, message: string, details: ErrorDetails = {}) {
    super(message);
    this.name = 'LoraloomError';
    this.status = status;
    this.code = code;
    this.param = details.param ?? null;
    this.requestId = details.requestId ?? null;
    this.refusal = details.refusal ?? null;
    this.findings = details.findings ?? [];
    this.retryAfterSeconds = details.retryAfterSeconds ?? null;
  }
}

/** An error's JSON, as far as it is the API's: a gateway in front of it has words of its own. */
type ErrorBody = { error?: { code?: unknown; message?: unknown } & Pick<ErrorDetails, 'param' | 'refusal' | 'findings'> } | null;

/** Reads an error answer; a proxy's HTML page is one too. */
export async function errorOf(answer: Response): Promise<LoraloomError> {
  const text = await answer.text();
  const requestId = answer.headers.get('x-request-id');
  const retryAfterSeconds = Number(answer.headers.get('retry-after')) || null;
  let body: ErrorBody = null;
  try {
    body = JSON.parse(text);
  } catch {
    // Not the API's.
  }
  const { code, message, param, refusal, findings } = body?.error ?? {};
  if (typeof code !== 'string' || typeof message !== 'string')
    return new LoraloomError(answer.status, 'unexpected_answer', text.slice(0, 200) || answer.statusText, {
      requestId,
      retryAfterSeconds,
    });
  return new LoraloomError(answer.status, code, message, { param, requestId, refusal, findings, retryAfterSeconds });
}
