import type { Scope } from './access.ts';
import type { Quota } from './token.ts';

/** On whose behalf a request is made, and what may be done in it. */
export interface Caller {
  tenant: string;
  /** What requests are counted by: the id of a key or a token, or a user's subject. */
  id: string;
  scopes: readonly Scope[];
  /** The API key, if it is one. */
  key?: { id: string; expiresAt: number | undefined };
  /** A batch, which leaves room for the tenant's other requests: it is refused when half of what may be unfinished is. */
  batch?: true;
  /** What else bounds a token. Times in milliseconds since 1970. */
  token?: { loras: readonly string[] | undefined; quota: Quota; expiresAt: number };
}
