import type { ApiKey, KeyRequest, NewKey, Token, TokenRequestInput } from '@loraloom/functions';
import type { CallOptions, Connection, Page, PageOptions } from './connection.ts';

/** API keys of the tenant; for holders of the scope `admin`. */
export interface Keys {
  /** The key itself is in this answer and nowhere else. Sent once: a lost answer is a key that nobody has, revoke it. */
  create(request: KeyRequest, options?: CallOptions): Promise<NewKey>;
  list(options?: PageOptions): Promise<Page<ApiKey>>;
  /** Ends the key, and the tokens that it minted. */
  revoke(id: string, options?: CallOptions): Promise<{ id: string; object: 'key'; revoked: true }>;
}

export function keys({ call, list }: Connection): Keys {
  return {
    create: (request, { signal } = {}) => call('POST', '/v1/keys', { body: request, signal }),
    list: (options = {}) => list('/v1/keys', options),
    revoke: (id, { signal } = {}) => call('DELETE', `/v1/keys/${id}`, { signal }),
  };
}

/** Short-lived tokens that a backend mints for browsers and phones. */
export interface Tokens {
  create(request: TokenRequestInput, options?: CallOptions): Promise<Token>;
}

export function tokens({ call }: Connection): Tokens {
  return {
    // One more that nobody has does no harm, and ends soon.
    create: (request, { signal } = {}) => call('POST', '/v1/tokens', { body: request, repeatable: true, signal }),
  };
}
