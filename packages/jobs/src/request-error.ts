import type { Finding } from './finding.ts';

export type RequestErrorCode =
  | 'unknown_model'
  | 'unknown_lora'
  | 'unknown_file'
  | 'file_not_uploaded'
  | 'image_wanted'
  | 'lora_mismatch'
  | 'unknown_training'
  | 'options_conflict'
  | 'too_many_steps'
  | 'bad_settings'
  | 'preflight_failed'
  | 'unknown_version'
  | 'digest_gone'
  | 'unknown_image'
  | 'not_a_picture'
  | 'too_many_shares'
  | 'wrong_file_type'
  | 'no_prices'
  | 'nothing_to_retry'
  | 'not_finished'
  | 'id_taken'
  | 'already_finished';

/** The caller's fault, and the only error of this package that a caller may see: what was wrong and what was wanted. */
export class RequestError extends Error {
  readonly code: RequestErrorCode;
  /** The path of the field at fault, as `files.3.file_id`. */
  readonly param: string | null;
  /** With `preflight_failed`: all that was found. */
  readonly findings: readonly Finding[] | undefined;

  constructor(code: RequestErrorCode, message: string, param: string | null, findings?: readonly Finding[]) {
    super(message);
    this.name = 'RequestError';
    this.code = code;
    this.param = param;
    this.findings = findings;
  }
}
