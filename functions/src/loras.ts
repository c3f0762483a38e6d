import { createRoute } from '@hono/zod-openapi';
import {
  type Bucket,
  changeLora,
  deleteLora,
  findLora,
  keys,
  type LoraName,
  type LoraVersion,
  listLoras,
  listLoraVersions,
  loraChangeSchema,
  loraIdSchema,
  loraRecordSchema,
  loraReferenceSchema,
  loraVersionSchema,
  loraViewSchema,
  NoSuchRecord,
  nameSchema,
  readLoraName,
  shareLora,
  tenantSchema,
} from '@loraloom/jobs';
import { z } from 'zod';
import { ApiError, notFound } from './error.ts';
import { examples } from './examples.ts';
import { loraUrlSeconds, viewOfLora } from './lora-view.ts';
import { loraTexts, refuseUnfit } from './moderate.ts';
import { body, errors, json, newRouter, ofBody, pageOf, pageQuery } from './router.ts';
import type { Services } from './services.ts';

const params = z.object({ name: nameSchema });
const shareSchema = z.strictObject({ tenant: tenantSchema.meta({ example: 'partner' }) });

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'Your LoRAs, by name',
  request: { query: pageQuery(nameSchema) },
  responses: {
    200: json('A page', pageOf(loraRecordSchema), { object: 'list', data: [examples.lora], next: null }),
    ...errors(401, 403, 422, 429),
  },
});

const get = createRoute({
  method: 'get',
  path: '/{name}',
  summary: 'A LoRA’s latest version, or name@lora_…, with URLs to download it (safetensors), valid for an hour',
  request: { params: z.object({ name: loraReferenceSchema }) },
  responses: { 200: json('The LoRA', loraViewSchema, examples.loraDownload), ...errors(401, 403, 404, 410, 429) },
});

const versions = createRoute({
  method: 'get',
  path: '/{name}/versions',
  summary: 'A LoRA’s versions, newest first',
  request: { params, query: pageQuery(loraIdSchema) },
  responses: {
    200: json('A page', pageOf(loraVersionSchema), { object: 'list', data: [examples.loraVersion], next: null }),
    ...errors(401, 403, 404, 410, 422, 429),
  },
});

const patch = createRoute({
  method: 'patch',
  path: '/{name}',
  summary: 'Change which version is the latest, trigger words, licence or cover',
  request: { params, ...body(loraChangeSchema, examples.loraChange) },
  responses: { 200: json('The LoRA', loraRecordSchema, examples.lora), ...errors(401, 403, 404, 410, ...ofBody, 429) },
});

const remove = createRoute({
  method: 'delete',
  path: '/{name}',
  summary: 'Take a LoRA out of use',
  description: 'Nobody can name it any more. Its versions stay for the receipts of pictures that were made with them.',
  request: { params },
  responses: {
    200: json('It is gone', z.object({ name: nameSchema, object: z.literal('lora'), deleted: z.literal(true) }), {
      name: 'my-style',
      object: 'lora',
      deleted: true,
    }),
    ...errors(401, 403, 404, 410, 429),
  },
});

const share = createRoute({
  method: 'post',
  path: '/{name}/share',
  summary: 'Let another tenant use a LoRA, as owner/name',
  request: { params, ...body(shareSchema, { tenant: 'partner' }) },
  responses: { 200: json('The LoRA', loraRecordSchema, examples.lora), ...errors(401, 403, 404, 410, ...ofBody, 429) },
});

const unshare = createRoute({
  method: 'post',
  path: '/{name}/unshare',
  summary: 'Let another tenant use a LoRA no longer; what was accepted before is still painted',
  request: { params, ...body(shareSchema, { tenant: 'partner' }) },
  responses: { 200: json('The LoRA', loraRecordSchema, examples.lora), ...errors(401, 403, 404, 410, ...ofBody, 429) },
});

/** A tenant's LoRAs: names, and the versions under them. */
export function loras(services: Services) {
  const { bucket } = services;
  return newRouter()
    .openapi(list, async (c) => {
      const { tenant } = c.var.caller;
      const { loras: found, next } = await listLoras(bucket, tenant, c.req.valid('query'));
      const data = await Promise.all(found.map((lora) => viewOfLora(bucket, tenant, lora, lora.latest)));
      return c.json({ object: 'list' as const, data, next: next ?? null }, 200);
    })
    .openapi(get, async (c) => {
      const { tenant } = c.var.caller;
      const { name: reference } = c.req.valid('param');
      const lora = await findLora(bucket, tenant, reference);
      // What is shared may be used, which is not to say that its file may be had.
      if (lora?.owner !== tenant) throw await missing(bucket, tenant, reference);
      const { name, version } = lora;
      const urlOf = (key: string, filename: string) => bucket.presignGet(key, { expiresSeconds: loraUrlSeconds, filename });
      const url = await urlOf(keys.loraWeights(tenant, name.name, version.lora_id), `${name.name}.safetensors`);
      // What diffusers looks for in a folder by itself.
      const file = 'pytorch_lora_weights.safetensors';
      const diffusers_url = version.diffusers && (await urlOf(keys.loraDiffusers(tenant, name.name, version.lora_id), file));
      return c.json({ ...(await viewOfLora(bucket, tenant, name, version)), url, diffusers_url }, 200);
    })
    .openapi(versions, async (c) => {
      const { tenant } = c.var.caller;
      const { name } = c.req.valid('param');
      const lora = await readLoraName(bucket, tenant, name);
      if (!lora?.latest) throw await missing(bucket, tenant, name);
      const { versions: data, next } = await listLoraVersions(bucket, tenant, lora, c.req.valid('query'));
      return c.json({ object: 'list' as const, data, next: next ?? null }, 200);
    })
    .openapi(patch, async (c) => {
      const { tenant } = c.var.caller;
      const { name } = c.req.valid('param');
      const change = c.req.valid('json');
      refuseUnfit(services, loraTexts(change));
      return c.json(await living(bucket, tenant, name, changeLora(bucket, tenant, name, change)), 200);
    })
    .openapi(remove, async (c) => {
      const { tenant } = c.var.caller;
      const { name } = c.req.valid('param');
      await deleteLora(bucket, tenant, name).catch(async (error) => {
        throw error instanceof NoSuchRecord ? await missing(bucket, tenant, name) : error;
      });
      return c.json({ name, object: 'lora' as const, deleted: true as const }, 200);
    })
    .openapi(share, async (c) => {
      const { tenant } = c.var.caller;
      const { name } = c.req.valid('param');
      return c.json(await living(bucket, tenant, name, shareLora(bucket, tenant, name, c.req.valid('json').tenant, true)), 200);
    })
    .openapi(unshare, async (c) => {
      const { tenant } = c.var.caller;
      const { name } = c.req.valid('param');
      return c.json(await living(bucket, tenant, name, shareLora(bucket, tenant, name, c.req.valid('json').tenant, false)), 200);
    });
}

/** The view of a name that was changed, or what there is to say if there was none. */
async function living(bucket: Bucket, tenant: string, name: string, changing: Promise<LoraName>) {
  const lora = await changing.catch(async (error) => {
    throw error instanceof NoSuchRecord ? await missing(bucket, tenant, name) : error;
  });
  const latest: LoraVersion | null = lora.latest;
  if (!latest) throw await missing(bucket, tenant, name);
  return viewOfLora(bucket, tenant, lora, latest);
}

/** 410 for a name of the tenant's own that was deleted; of others' nobody learns that they ever were. */
async function missing(bucket: Bucket, tenant: string, reference: string): Promise<ApiError> {
  const lora = loraNameOf(reference) && (await readLoraName(bucket, tenant, reference));
  if (lora && lora.latest === null)
    return new ApiError(410, 'deleted', `the LoRA ${reference} was deleted at ${lora.deleted_at}`, 'name');
  return notFound(`LoRA named ${reference}`, 'name');
}

const loraNameOf = (reference: string) => nameSchema.safeParse(reference).success;
