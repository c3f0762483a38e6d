import { createRoute } from '@hono/zod-openapi';
import { z } from 'zod';
import { examples } from './examples.ts';
import { monthOf, nextMonth, tenantAccount, tenantLimits, tenantLimitsSchema } from './limits.ts';
import { errors, json, newRouter } from './router.ts';
import type { Services } from './services.ts';
import { closeEnded } from './unfinished.ts';

export const usageSchema = z
  .object({
    object: z.literal('usage'),
    month: z.string().meta({ description: 'In UTC', example: '2026-11' }),
    resets_at: z.iso.datetime(),
    limits: tenantLimitsSchema,
    used: z.object({ pictures: z.int(), training_steps: z.int(), unfinished_jobs: z.int() }),
  })
  .meta({ id: 'Usage' });
export type Usage = z.infer<typeof usageSchema>;

const get = createRoute({
  method: 'get',
  path: '/',
  summary: 'What the tenant may use, and has used this month',
  responses: { 200: json('Limits and use', usageSchema, examples.usage), ...errors(401, 403, 429) },
});

/** Limits and use. */
export function usage({ bucket, limits }: Services) {
  return newRouter().openapi(get, async (c) => {
    const { tenant } = c.var.caller;
    const now = Date.now();
    const month = monthOf(now);
    const place = tenantAccount(tenant);
    const [allowed, before] = await Promise.all([tenantLimits(bucket, tenant), limits.read(place.account)]);
    const ended = await closeEnded({ bucket, limits }, tenant, place, before.open, allowed.unfinished_jobs);
    const { counters, open } = ended > 0 ? await limits.read(place.account) : before;
    const used = {
      pictures: counters[place.counterOf('pictures', now)] ?? 0,
      training_steps: counters[place.counterOf('training_steps', now)] ?? 0,
      unfinished_jobs: open.length,
    };
    return c.json(
      { object: 'usage' as const, month, resets_at: new Date(nextMonth(now)).toISOString(), limits: allowed, used },
      200,
    );
  });
}
