import type { Context, MiddlewareHandler } from 'hono';
import { accessOf } from './access.ts';
import { findApiKey, hashApiKey } from './api-key.ts';
import type { Caller } from './caller.ts';
import { ApiError } from './error.ts';
import { matchedRoute } from './matched-route.ts';
import { oidcCallers } from './oidc.ts';
import { countRequest } from './rate.ts';
import type { Env } from './router.ts';
import type { Services } from './services.ts';
import { isToken, verifyToken } from './token.ts';

/**
 * Finds out who calls, and whether they may call this route. This is all there is to keeping tenants apart: the tenant in
 * every key of the bucket comes from here, and nothing in a request can name one.
 */
export function authenticate(services: Services): MiddlewareHandler<Env> {
  const { bucket, pepper, oidc } = services;
  const callerOfJwt = oidc && oidcCallers(oidc);

  async function callerOf(credential: string): Promise<Caller> {
    if (isToken(credential)) return (await verifyToken(bucket, pepper, credential)) ?? refuse('this token');
    if (callerOfJwt && !credential.startsWith('ll_')) return (await callerOfJwt(credential)) ?? refuse('this JWT');
    const hash = await hashApiKey(pepper, credential);
    const key = hash === undefined ? undefined : await findApiKey(bucket, hash);
    const expiresAt = key?.expires_at ? Date.parse(key.expires_at) : undefined;
    if (!key || (expiresAt !== undefined && expiresAt <= Date.now())) return refuse('this API key');
    return { tenant: key.tenant, id: key.id, scopes: key.scopes, key: { id: key.id, expiresAt } };
  }

  return async (c, next) => {
    const route = matchedRoute(c);
    const access = route && accessOf(route);
    // What an entry adds to the app, such as web pages, is no part of the API and not below /v1.
    if (access === 'public' || (!access && !c.req.path.startsWith('/v1/'))) return next();
    const [, credential] = /^Bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '') ?? [];
    if (credential === undefined) throw new ApiError(401, 'unauthorized', 'want the header Authorization: Bearer ll_…');
    const caller = await callerOf(credential);
    await countRequest(services, c, caller);
    if (access) requireAccess(c, caller, access);
    c.set('caller', caller);
    await next();
  };
}

function refuse(what: string): never {
  throw new ApiError(401, 'unauthorized', `${what} is not valid, or has expired or been revoked`);
}

/** RFC 6750, section 3.1. */
function requireAccess(
  c: Context<Env>,
  caller: Caller,
  { scopes, tokens }: Exclude<ReturnType<typeof accessOf>, 'public' | undefined>,
) {
  if (caller.token && !tokens) {
    throw new ApiError(403, 'insufficient_scope', 'a short-lived token may not do this; want an API key');
  }
  if (scopes.some((scope) => caller.scopes.includes(scope))) return;
  c.header('WWW-Authenticate', `Bearer error="insufficient_scope", scope="${scopes.join(' ')}"`);
  throw new ApiError(
    403,
    'insufficient_scope',
    `want the scope ${scopes.join(' or ')}; this one has ${caller.scopes.join(', ') || 'none'}`,
  );
}
