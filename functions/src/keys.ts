import { createRoute } from '@hono/zod-openapi';
import { keyIdSchema } from '@loraloom/jobs';
import { z } from 'zod';
import { scopeSchema } from './access.ts';
import { apiKeySchema, createApiKey, listApiKeys, revokeApiKey } from './api-key.ts';
import { ApiError, notFound } from './error.ts';
import { examples } from './examples.ts';
import { body, errors, json, newRouter, ofBody, pageOf, pageQuery } from './router.ts';
import type { Services } from './services.ts';

export const keyRequestSchema = z
  .strictObject({
    name: z.string().min(1).max(100).nullable().default(null).meta({ description: 'To tell it by', example: 'shop backend' }),
    scopes: z
      .array(scopeSchema)
      .min(1)
      .meta({ description: 'None includes another', example: ['images'] }),
    expires_at: z.iso.datetime().nullable().default(null).meta({ description: 'Default: never' }),
  })
  .meta({ id: 'KeyRequest' });
export type KeyRequest = z.input<typeof keyRequestSchema>;

export const newKeySchema = apiKeySchema
  .extend({ key: z.string().meta({ description: 'The key itself; keep it, for it is not shown again' }) })
  .meta({ id: 'NewKey' });
export type NewKey = z.infer<typeof newKeySchema>;

const revokedSchema = z
  .object({ id: keyIdSchema, object: z.literal('key'), revoked: z.literal(true) })
  .meta({ id: 'RevokedKey' });

const post = createRoute({
  method: 'post',
  path: '/',
  summary: 'Make an API key',
  request: body(keyRequestSchema, examples.keyRequest),
  responses: { 201: json('The key, this once', newKeySchema, examples.newKey), ...errors(401, 403, ...ofBody, 429) },
});

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'API keys, newest first, without the keys themselves',
  request: { query: pageQuery(keyIdSchema) },
  responses: {
    200: json('A page', pageOf(apiKeySchema), { object: 'list', data: [examples.key], next: null }),
    ...errors(401, 403, 422, 429),
  },
});

const revoke = createRoute({
  method: 'delete',
  path: '/{id}',
  summary: 'Revoke an API key, and the tokens that it minted',
  request: { params: z.object({ id: keyIdSchema }) },
  responses: {
    200: json('It is no longer good', revokedSchema, { id: examples.key.id, object: 'key', revoked: true }),
    ...errors(401, 403, 404, 429),
  },
});

/** API keys of the caller's tenant. */
export function apiKeys({ bucket, pepper }: Services) {
  return newRouter()
    .openapi(post, async (c) => {
      const wanted = c.req.valid('json');
      if (wanted.expires_at !== null && Date.parse(wanted.expires_at) <= Date.now()) {
        throw new ApiError(422, 'invalid_request', 'expires_at: want a time to come', 'expires_at');
      }
      const made = await createApiKey(bucket, pepper, c.var.caller.tenant, wanted);
      c.header('Cache-Control', 'no-store');
      return c.json(made, 201);
    })
    .openapi(list, async (c) => {
      const page = await listApiKeys(bucket, c.var.caller.tenant, c.req.valid('query'));
      return c.json({ object: 'list' as const, ...page }, 200);
    })
    .openapi(revoke, async (c) => {
      const { id } = c.req.valid('param');
      if (!(await revokeApiKey(bucket, c.var.caller.tenant, id))) throw notFound(`key ${id}`, 'id');
      return c.json({ id, object: 'key' as const, revoked: true as const }, 200);
    });
}
