import { createRoute } from '@hono/zod-openapi';
import { listModels, modelSchema } from '@loraloom/jobs';
import { examples } from './examples.ts';
import { errors, json, newRouter, pageOf } from './router.ts';
import type { Services } from './services.ts';

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'Base models, by name',
  responses: {
    200: json('All of them', pageOf(modelSchema), { object: 'list', data: [examples.model], next: null }),
    ...errors(401, 403, 429),
  },
});

/** Base models that jobs may name. */
export function models({ bucket }: Services) {
  return newRouter().openapi(list, async (c) =>
    c.json({ object: 'list' as const, data: await listModels(bucket), next: null }, 200),
  );
}
