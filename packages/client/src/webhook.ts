import { LoraloomError } from './error.ts';

export interface VerifyWebhookOptions {
  /** `whsec_…`; several while one of them is being replaced. */
  secret: string | readonly string[];
  /** Seconds that the sender's clock and yours may be apart, and that a message may have been under way. Default 300. */
  toleranceSeconds?: number;
  /** Milliseconds since 1970. Default: now. */
  now?: number;
}

/**
 * Makes sure that a webhook was sent by the holder of the secret, and lately, as Standard Webhooks has it
 * (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md): HMAC-SHA-256 of
 * `webhook-id.webhook-timestamp.body`. The same `webhook-id` may come more than once: do what it asks for once.
 * @param body exactly as it came, before any parsing
 * @param headers as a Request has them, or by their names in lower case as Node has them
 * @returns what the body says
 * @throws LoraloomError `status` 0, `code` `bad_webhook`: answer it with 400
 */
export async function verifyWebhook(
  body: string,
  headers: Headers | Record<string, string | readonly string[] | undefined>,
  { secret, toleranceSeconds = 300, now = Date.now() }: VerifyWebhookOptions,
): Promise<unknown> {
  const header = (name: string) => {
    const value = headers instanceof Headers ? headers.get(name) : headers[name];
    if (typeof value !== 'string') throw bad(`no header ${name}`);
    return value;
  };
  const id = header('webhook-id');
  const timestamp = header('webhook-timestamp');
  const apartSeconds = Math.abs(now / 1000 - Number(timestamp));
  // The other way round it would let through what is not a number.
  if (!(/^\d+$/.test(timestamp) && apartSeconds <= toleranceSeconds))
    throw bad(`it is of ${timestamp}, which is not within ${toleranceSeconds} seconds of now`);

  const signed = new TextEncoder().encode(`${id}.${timestamp}.${body}`);
  const signatures = header('webhook-signature')
    .split(' ')
    .flatMap((one) => /^v1,(.+)$/.exec(one)?.[1] ?? []);
  for (const one of typeof secret === 'string' ? [secret] : secret) {
    const bytes = bytesOf(one.replace(/^whsec_/, ''));
    if (!bytes) throw new TypeError('want a secret as whsec_ and base64');
    const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']);
    for (const signature of signatures) {
      const claimed = bytesOf(signature);
      // Compares in a time that does not depend on where they differ.
      if (claimed && (await crypto.subtle.verify('HMAC', key, claimed, signed))) return JSON.parse(body);
    }
  }
  throw bad('none of its signatures fits');
}

function bad(why: string): LoraloomError {
  return new LoraloomError(0, 'bad_webhook', `this webhook cannot be trusted: ${why}`);
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}
