/** The caller's fault: the message says what was wrong and what was wanted. Every other error is ours. */
export class InputError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'InputError';
    this.code = code;
  }
}
