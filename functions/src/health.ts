import { createRoute } from '@hono/zod-openapi';
import { z } from 'zod';
import { json, newRouter } from './router.ts';

const healthSchema = z.object({ status: z.literal('ok') }).meta({ id: 'Health' });

const get = createRoute({
  method: 'get',
  path: '/healthz',
  summary: 'Whether the API answers',
  security: [],
  responses: { 200: json('It does', healthSchema, { status: 'ok' }) },
});

/** A sign of life; asks nothing of the bucket or the queues, so that their trouble does not restart the API. */
export function health() {
  return newRouter().openapi(get, (c) => c.json({ status: 'ok' as const }, 200));
}
