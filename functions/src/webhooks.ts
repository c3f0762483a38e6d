import { createRoute } from '@hono/zod-openapi';
import {
  deliveryAttempts,
  deliveryIdSchema,
  deliveryRecordSchema,
  endMessageSchema,
  keys,
  listDeliveries,
  NoSuchRecord,
  readDelivery,
  rotateWebhookSecret,
  updateRecord,
  webhookSecret,
  webhookSecretSchema,
} from '@loraloom/jobs';
import { z } from 'zod';
import type { Caller } from './caller.ts';
import { ApiError, notFound } from './error.ts';
import { examples } from './examples.ts';
import { errors, json, newRouter, pageOf, pageQuery } from './router.ts';
import type { Services } from './services.ts';

const params = z.object({ id: deliveryIdSchema });

const secret = createRoute({
  method: 'get',
  path: '/secret',
  summary: 'The secret that webhooks are signed with',
  responses: { 200: json('The secret', webhookSecretSchema, examples.webhookSecret), ...errors(401, 403, 429) },
});

const rotate = createRoute({
  method: 'post',
  path: '/secret/rotate',
  summary: 'Replace the secret; the one before signs as well for a day',
  responses: { 200: json('The new secret', webhookSecretSchema, examples.webhookSecret), ...errors(401, 403, 429) },
});

const list = createRoute({
  method: 'get',
  path: '/deliveries',
  summary: 'Deliveries of webhooks, of the newest ends first',
  request: { query: pageQuery(deliveryIdSchema) },
  responses: {
    200: json('A page', pageOf(deliveryRecordSchema), { object: 'list', data: [examples.delivery], next: null }),
    ...errors(401, 403, 422, 429),
  },
});

const get = createRoute({
  method: 'get',
  path: '/deliveries/{id}',
  summary: 'A delivery, and how it was answered',
  request: { params },
  responses: { 200: json('The delivery', deliveryRecordSchema, examples.delivery), ...errors(401, 403, 404, 429) },
});

const replay = createRoute({
  method: 'post',
  path: '/deliveries/{id}/replay',
  summary: 'Deliver it again, now and with all its attempts; under the same webhook-id',
  request: { params },
  responses: { 202: json('The delivery', deliveryRecordSchema, examples.delivery), ...errors(401, 403, 404, 429) },
});

/**
 * What is posted bears the tenant's signature: whoever holds a token is not to say where to.
 * @throws ApiError 403 `insufficient_scope`
 */
export function requireWebhook({ token }: Caller, { webhook_url }: { webhook_url?: string | undefined }): void {
  if (!token || webhook_url === undefined) return;
  throw new ApiError(403, 'insufficient_scope', 'a token may not name a webhook; want a key for that', 'webhook_url');
}

/** What is told to callers' own servers. */
export function webhooks({ bucket, queues }: Services) {
  return newRouter()
    .openapi(secret, async (c) => {
      c.header('Cache-Control', 'no-store');
      return c.json(await webhookSecret(bucket, c.var.caller.tenant), 200);
    })
    .openapi(rotate, async (c) => {
      c.header('Cache-Control', 'no-store');
      return c.json(await rotateWebhookSecret(bucket, c.var.caller.tenant), 200);
    })
    .openapi(list, async (c) => {
      const { deliveries, next } = await listDeliveries(bucket, c.var.caller.tenant, c.req.valid('query'));
      return c.json({ object: 'list' as const, data: deliveries, next: next ?? null }, 200);
    })
    .openapi(get, async (c) => {
      const { id } = c.req.valid('param');
      const delivery = await readDelivery(bucket, c.var.caller.tenant, id);
      if (!delivery) throw notFound(`delivery ${id}`, 'id');
      return c.json(delivery, 200);
    })
    .openapi(replay, async (c) => {
      const { id } = c.req.valid('param');
      const { tenant } = c.var.caller;
      const next_attempt_at = new Date().toISOString();
      const delivery = await updateRecord(bucket, keys.deliveryRecord(tenant, id), deliveryRecordSchema, (current) => ({
        ...current,
        status: 'pending' as const,
        attempts_left: deliveryAttempts,
        next_attempt_at,
        finished_at: null,
      })).catch((error) => {
        throw error instanceof NoSuchRecord ? notFound(`delivery ${id}`, 'id') : error;
      });
      const { subject_id, attempts: attempt } = delivery;
      const message = endMessageSchema.parse({ kind: 'end', tenant, id: subject_id, attempt });
      await queues.webhooks.send(JSON.stringify(message), { group: tenant });
      return c.json(delivery, 202);
    });
}
