import type { Context } from 'hono';
import type { Caller } from './caller.ts';
import { ApiError } from './error.ts';
import { tenantLimits } from './limits.ts';
import type { Env } from './router.ts';
import type { Services } from './services.ts';

const windowSeconds = 60;

export const rateLimitHeaders = ['RateLimit-Limit', 'RateLimit-Remaining', 'RateLimit-Reset'];

/**
 * Counts a request in this minute's window, for its caller and then for its tenant: a caller who asks too much uses up nothing of
 * the tenant's. (An account each, since a tenant's tokens and users may be many.)
 *
 * Tells where the caller stands in RateLimit-Limit, -Remaining and -Reset, of whichever of the two bounds has less left. These
 * are the names of draft-ietf-httpapi-ratelimit-headers up to its version 06, which clients read as plain numbers; later versions
 * have one field, of a syntax that has changed with each.
 * @throws ApiError 429 `rate_limited`
 */
export async function countRequest({ bucket, limits }: Services, c: Context<Env>, { tenant, id }: Caller): Promise<void> {
  const { requests_per_minute, requests_per_minute_per_key } = await tenantLimits(bucket, tenant);
  const window = Math.floor(Date.now() / 1000 / windowSeconds);
  const endsAt = (window + 1) * windowSeconds;
  const reset = Math.max(1, Math.ceil(endsAt - Date.now() / 1000));
  c.header('RateLimit-Reset', `${reset}`);
  let least = Number.POSITIVE_INFINITY;
  for (const [account, limit] of [
    [`requests ${tenant} ${id} ${window}`, requests_per_minute_per_key],
    [`requests ${tenant} ${window}`, requests_per_minute],
  ] as const) {
    const add = { requests: { n: 1, limit } };
    const { charged, counters } = await limits.charge(account, { add, expiresAt: endsAt + windowSeconds });
    const left = charged ? limit - (counters.requests ?? 0) : 0;
    if (left < least || !charged) {
      least = left;
      c.header('RateLimit-Limit', `${limit}`);
      c.header('RateLimit-Remaining', `${left}`);
    }
    if (!charged)
      throw new ApiError(429, 'rate_limited', `want at most ${limit} requests a minute; ask again in ${reset} s`, null, {
        retryAfterSeconds: reset,
      });
  }
}
