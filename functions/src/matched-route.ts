import type { Context } from 'hono';
import { matchedRoutes } from 'hono/route';

/** The route that answers a request; undefined if none does. */
export function matchedRoute(c: Context): { method: string; path: string } | undefined {
  // The first that is not middleware.
  return matchedRoutes(c).find(({ method }) => method !== 'ALL');
}
