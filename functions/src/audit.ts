import { createRoute } from '@hono/zod-openapi';
import { auditEntrySchema, auditIdSchema, listAudit } from '@loraloom/jobs';
import { z } from 'zod';
import { examples } from './examples.ts';
import { errors, json, newRouter, pageOf, pageQuery } from './router.ts';
import type { Services } from './services.ts';

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'Who asked for what: all requests of a day that did something or were to, refused ones among them, newest first',
  request: {
    query: pageQuery(auditIdSchema).extend({
      day: z.iso.date().optional().meta({ description: 'In UTC; default: today', example: '2026-11-24' }),
    }),
  },
  responses: {
    200: json('A page', pageOf(auditEntrySchema), { object: 'list', data: [examples.audit], next: null }),
    ...errors(401, 403, 422, 429),
  },
});

/** The audit of the caller's tenant. */
export function audit({ bucket }: Services) {
  return newRouter().openapi(list, async (c) => {
    const { day = new Date().toISOString().slice(0, 10), ...page } = c.req.valid('query');
    const { data, next } = await listAudit(bucket, c.var.caller.tenant, day, page);
    return c.json({ object: 'list' as const, data, next: next ?? null }, 200);
  });
}
