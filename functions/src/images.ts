import { createRoute } from '@hono/zod-openapi';
import {
  type Bucket,
  cancelJob,
  createImage,
  type ImageRecord,
  type ImageView,
  imageIdSchema,
  imageRequestSchema,
  imageViewSchema,
  images as kind,
  listJobs,
  NoSuchRecord,
  readJob,
  tellEnd,
} from '@loraloom/jobs';
import { z } from 'zod';
import { notFound } from './error.ts';
import { examples } from './examples.ts';
import { imageTexts, refuseUnfit } from './moderate.ts';
import { body, errors, json, newRouter, pageOf, pageQuery, setJobHeaders } from './router.ts';
import type { Services } from './services.ts';
import { reportUnsent, submit, submitHeaders } from './submit.ts';

const params = z.object({ id: imageIdSchema });
const urlSeconds = 3600;

const post = createRoute({
  method: 'post',
  path: '/',
  summary: 'Generate pictures',
  request: { headers: submitHeaders, ...body(imageRequestSchema, examples.imageRequest) },
  responses: {
    200: json('It has ended already: a repeated request, or one that was waited for', imageViewSchema, examples.image),
    202: json('Accepted; poll its Location', imageViewSchema, examples.imageQueued),
    ...errors(401, 409, 422),
  },
});

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'Requests for pictures, newest first',
  request: { query: pageQuery(imageIdSchema) },
  responses: {
    200: json('A page', pageOf(imageViewSchema), { object: 'list', data: [examples.image], next: null }),
    ...errors(401, 422),
  },
});

const get = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'A request for pictures, with a URL of each picture once it has succeeded',
  description: 'The URLs are valid for an hour; ask again for fresh ones.',
  request: { params },
  responses: { 200: json('The request', imageViewSchema, examples.image), ...errors(401, 404) },
});

const cancel = createRoute({
  method: 'post',
  path: '/{id}/cancel',
  summary: 'Cancel a request for pictures: a queued one at once, a running one as soon as its worker sees it',
  request: { params },
  responses: { 200: json('The request', imageViewSchema, examples.imageQueued), ...errors(401, 404, 409) },
});

/** Requests for pictures. */
export function images(services: Services) {
  const { bucket, queues } = services;
  return newRouter()
    .openapi(post, async (c) => {
      refuseUnfit(services, imageTexts(c.req.valid('json')));
      const { job, status } = await submit(c, services, kind, c.req.valid('header'), (to, tenant, id) =>
        createImage(to, tenant, c.req.valid('json'), id),
      );
      setJobHeaders(c, `/v1/images/${job.id}`, 1);
      return c.json(await viewOf(bucket, job), status);
    })
    .openapi(list, async (c) => {
      const { jobs, next } = await listJobs(bucket, kind, c.var.caller.tenant, c.req.valid('query'));
      const data = await Promise.all(jobs.map((job) => viewOf(bucket, job)));
      return c.json({ object: 'list' as const, data, next: next ?? null }, 200);
    })
    .openapi(get, async (c) => {
      const { id } = c.req.valid('param');
      const image = await readJob(bucket, kind, c.var.caller.tenant, id);
      if (!image) throw notFound(`image ${id}`, 'id');
      return c.json(await viewOf(bucket, image), 200);
    })
    .openapi(cancel, async (c) => {
      const { id } = c.req.valid('param');
      const image = await cancelJob(bucket, kind, c.var.caller.tenant, id).catch((error) => {
        throw error instanceof NoSuchRecord ? notFound(`image ${id}`, 'id') : error;
      });
      await tellEnd(bucket, queues.webhooks, c.var.caller.tenant, image).catch(reportUnsent(c, services));
      return c.json(await viewOf(bucket, image), 200);
    });
}

/** The record with a presigned URL in place of each picture's key. */
export async function viewOf(bucket: Bucket, record: ImageRecord): Promise<ImageView> {
  if (!record.output) return { ...record, output: null };
  const pictures = record.output.images.map(async ({ key, ...picture }) => {
    const url = await bucket.presignGet(key, { expiresSeconds: urlSeconds });
    return { ...picture, url };
  });
  return { ...record, output: { ...record.output, images: await Promise.all(pictures) } };
}
