import { createRoute } from '@hono/zod-openapi';
import { keys, listLoras, loraRecordSchema, loraViewSchema, nameSchema, readLora } from '@loraloom/jobs';
import { z } from 'zod';
import { notFound } from './error.ts';
import { examples } from './examples.ts';
import { errors, json, newRouter, pageOf, pageQuery } from './router.ts';
import type { Services } from './services.ts';

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'LoRAs, by name',
  request: { query: pageQuery(nameSchema) },
  responses: {
    200: json('A page', pageOf(loraRecordSchema), { object: 'list', data: [examples.lora], next: null }),
    ...errors(401, 403, 422, 429),
  },
});

const get = createRoute({
  method: 'get',
  path: '/{name}',
  summary: 'A LoRA’s latest version, with a URL to download it (kohya safetensors), valid for an hour',
  request: { params: z.object({ name: nameSchema }) },
  responses: { 200: json('The LoRA', loraViewSchema, examples.loraDownload), ...errors(401, 403, 404, 429) },
});

/** LoRAs that trainings have made. */
export function loras({ bucket }: Services) {
  return newRouter()
    .openapi(list, async (c) => {
      const { loras: data, next } = await listLoras(bucket, c.var.caller.tenant, c.req.valid('query'));
      return c.json({ object: 'list' as const, data, next: next ?? null }, 200);
    })
    .openapi(get, async (c) => {
      const { name } = c.req.valid('param');
      const { tenant } = c.var.caller;
      const lora = await readLora(bucket, tenant, name);
      if (!lora) throw notFound(`LoRA named ${name}`, 'name');
      const key = keys.loraWeights(tenant, name, lora.lora_id);
      const url = await bucket.presignGet(key, { expiresSeconds: 3600, filename: `${name}.safetensors` });
      return c.json({ ...lora, url }, 200);
    });
}
