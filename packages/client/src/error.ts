/** An answer of the API that is not a success; `code` and `param` are the API's, for programs. */
export class LoraloomError extends Error {
  /** HTTP status, or 0 if no answer came. */
  readonly status: number;
  readonly code: string;
  /** Path of the field at fault, as `files.3.file_id`. */
  readonly param: string | null;
  /** Quote it when you ask for help. */
  readonly requestId: string | null;

  constructor(status: number, code: string, message: string, param: string | null = null, requestId: string | null = null) {
    super(message);
    this.name = 'LoraloomError';
    this.status = status;
    this.code = code;
    this.param = param;
    this.requestId = requestId;
  }
}

/** Reads an error answer; a proxy's HTML page is one too. */
export async function errorOf(answer: Response): Promise<LoraloomError> {
  const text = await answer.text();
  const requestId = answer.headers.get('x-request-id');
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return new LoraloomError(answer.status, 'unexpected_answer', text.slice(0, 200) || answer.statusText, null, requestId);
  }
  const error = field(body, 'error');
  const code = field(error, 'code');
  const message = field(error, 'message');
  const param = field(error, 'param');
  return new LoraloomError(
    answer.status,
    typeof code === 'string' ? code : 'unexpected_answer',
    typeof message === 'string' ? message : text.slice(0, 200),
    typeof param === 'string' ? param : null,
    requestId,
  );
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, name)?.value : undefined;
}
