import type { Context } from 'hono';
import type { Caller } from './caller.ts';
import { ApiError } from './error.ts';
import { tenantLimits } from './limits.ts';
import type { Env } from './router.ts';
import type { Services } from './services.ts';

const windowSeconds = 60;

export const rateLimitHeaders = ['RateLimit-Limit', 'RateLimit-Remaining', 'RateLimit-Reset'];

/**
 * Counts a request in this minute's window, for its caller and for its tenant at once; a refused one does not count.
 *
 * It tells where the caller stands in RateLimit-Limit, -Remaining and -Reset, of whichever of the two bounds has less left:
 * the names of the IETF draft (draft-ietf-httpapi-ratelimit-headers) up to its sixth version, which clients read as plain
 * numbers. Later versions have one field of a syntax that still changes.
 * @throws ApiError 429 `rate_limited`
 */
export function countRequest({ bucket, limits }: Services): (c: Context<Env>, caller: Caller) => Promise<void> {
  return async (c, { tenant, id }) => {
    const { requests_per_minute: ofTenant, requests_per_minute_per_key: ofKey } = await tenantLimits(bucket, tenant);
    const window = Math.floor(Date.now() / 1000 / windowSeconds);
    const endsAt = (window + 1) * windowSeconds;
    const caller = `by ${id}`;
    const { charged, counters } = await limits.charge(`requests ${tenant} ${window}`, {
      add: { all: { n: 1, limit: ofTenant }, [caller]: { n: 1, limit: ofKey } },
      expiresAt: endsAt + windowSeconds,
    });
    const [limit, remaining] = [
      [ofTenant, ofTenant - (counters.all ?? 0)] as const,
      [ofKey, ofKey - (counters[caller] ?? 0)] as const,
    ].reduce((a, b) => (b[1] < a[1] ? b : a));
    const reset = Math.max(1, Math.ceil(endsAt - Date.now() / 1000));
    c.header('RateLimit-Limit', `${limit}`);
    c.header('RateLimit-Remaining', `${Math.max(0, remaining)}`);
    c.header('RateLimit-Reset', `${reset}`);
    if (charged) return;
    throw new ApiError(429, 'rate_limited', `want at most ${limit} requests a minute; ask again in ${reset} s`, null, { retryAfterSeconds: reset });
  };
}
