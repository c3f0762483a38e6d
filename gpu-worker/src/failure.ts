import type { Refusal } from '@loraloom/jobs';

/** The request cannot be carried out, however often it is tried: the job fails with this reason. */
export class Failure extends Error {
  readonly code: string;
  /** The part of the request at fault, as `files.3.file_id`. */
  readonly param: string | null;

  /** Why a picture was refused, with code `content_refused`. */
  readonly refusal: Refusal | undefined;

  constructor(code: string, message: string, param: string | null, options?: ErrorOptions & { refusal?: Refusal }) {
    super(message, options);
    this.name = 'Failure';
    this.code = code;
    this.param = param;
    this.refusal = options?.refusal;
  }
}

/** Whether memory ran out: of onnxruntime on a CPU or a GPU, or of JavaScript's buffers. They have no code, only these words. */
export function isOutOfMemory(error: unknown): boolean {
  return /bad_alloc|failed to allocate memory|out of memory|ALLOC_FAILED|allocation failed/i.test(String(error));
}
