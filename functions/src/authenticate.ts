import type { MiddlewareHandler } from 'hono';
import { hashApiKey } from './api-key.ts';
import { ApiError } from './error.ts';
import type { Env } from './router.ts';
import type { Services } from './services.ts';

/**
 * Finds out who calls. This is all there is to keeping tenants apart: the tenant in every key of the bucket comes from
 * here, and nothing in a request can name one.
 */
export function authenticate({ keys, pepper }: Services): MiddlewareHandler<Env> {
  return async (c, next) => {
    const [, key] = /^Bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '') ?? [];
    if (key === undefined) throw new ApiError(401, 'unauthorized', 'want the header Authorization: Bearer ll_…');
    const hash = await hashApiKey(pepper, key);
    const caller = hash === undefined ? undefined : await keys.find(hash);
    if (!caller) throw new ApiError(401, 'unauthorized', 'this API key is not valid');
    c.set('caller', caller);
    await next();
  };
}
