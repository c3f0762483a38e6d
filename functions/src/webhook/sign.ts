import type { WebhookSecret } from '@loraloom/jobs';

/**
 * The headers of a webhook as Standard Webhooks (standardwebhooks.com) defines them: HMAC-SHA-256 of `id.timestamp.body`, once
 * with the secret and, while it is being replaced, once with its predecessor.
 */
export async function signedHeaders(
  { secret, previous }: WebhookSecret,
  id: string,
  body: string,
  now: number,
): Promise<Record<string, string>> {
  const timestamp = `${Math.floor(now / 1000)}`;
  const valid = [secret, ...(previous && now < Date.parse(previous.expires_at) ? [previous.secret] : [])];
  const signatures = await Promise.all(valid.map((each) => signature(each, `${id}.${timestamp}.${body}`)));
  return {
    'content-type': 'application/json',
    'user-agent': 'Loraloom-Webhooks/1',
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.map((each) => `v1,${each}`).join(' '),
  };
}

async function signature(secret: string, text: string): Promise<string> {
  const bytes = Uint8Array.from(atob(secret.slice('whsec_'.length)), (character) => character.charCodeAt(0));
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const mac = new Uint8Array(await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(text)));
  return btoa(String.fromCharCode(...mac));
}
