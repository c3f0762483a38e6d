import { createRoute } from '@hono/zod-openapi';
import {
  type Bucket,
  cancelJob,
  idTime,
  imageIdSchema,
  imageViewSchema,
  images as kind,
  listJobs,
  NoSuchRecord,
  readJob,
  tellEnd,
} from '@loraloom/jobs';
import { z } from 'zod';
import { ApiError, notFound } from './error.ts';
import { examples } from './examples.ts';
import { formatQuery, imageViews, refuseExpired } from './image-view.ts';
import { body, errors, json, newRouter, ofBody, pageOf, pageQuery, setJobHeaders } from './router.ts';
import type { Services } from './services.ts';
import { reportUnsent, submitHeaders } from './submit.ts';
import { imageBodySchema, submitImage } from './submit-image.ts';

const params = z.object({ id: imageIdSchema });

const post = createRoute({
  method: 'post',
  path: '/',
  summary: 'Generate pictures',
  description:
    'Or `{"receipt": …}`: a picture that was made before, from its record or its PNG file, with the very files that made it.',
  request: { headers: submitHeaders, query: formatQuery, ...body(imageBodySchema, examples.imageRequest) },
  responses: {
    200: json('It has ended already: a repeated request, or one that was waited for', imageViewSchema, examples.image),
    202: json('Accepted; poll its Location', imageViewSchema, examples.imageQueued),
    ...errors(401, 403, 409, ...ofBody, 429),
  },
});

const put = createRoute({
  method: 'put',
  path: '/{id}',
  summary: 'Generate pictures, under an id of your own',
  description: 'The same id and body are the same job, however often they are sent; with another body it is a 409.',
  request: {
    headers: submitHeaders.pick({ prefer: true }),
    params,
    query: formatQuery,
    ...body(imageBodySchema, examples.imageRequest),
  },
  responses: {
    200: json('It has ended already', imageViewSchema, examples.image),
    202: json('Accepted; poll its Location', imageViewSchema, examples.imageQueued),
    ...errors(401, 403, 404, 409, ...ofBody, 429),
  },
});

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'Requests for pictures, newest first',
  request: { query: pageQuery(imageIdSchema) },
  responses: {
    200: json('A page', pageOf(imageViewSchema), { object: 'list', data: [examples.image], next: null }),
    ...errors(401, 403, 422, 429),
  },
});

const get = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'A request for pictures, with a URL of each picture once it has succeeded',
  description: 'The URLs are valid for an hour; ask again for fresh ones. After `output.expires_at` it is a 410.',
  request: { params, query: formatQuery },
  responses: { 200: json('The request', imageViewSchema, examples.image), ...errors(401, 403, 404, 410, 422, 429) },
});

const cancel = createRoute({
  method: 'post',
  path: '/{id}/cancel',
  summary: 'Cancel a request for pictures: a queued one at once, a running one as soon as its worker sees it',
  request: { params },
  responses: { 200: json('The request', imageViewSchema, examples.imageQueued), ...errors(401, 403, 404, 409, 429) },
});

/** Requests for pictures. */
export function images(services: Services) {
  const { bucket, queues } = services;
  const viewOf = imageViews(services);
  return newRouter()
    .openapi(post, async (c) => {
      const { job, status } = await submitImage(c, services, c.req.valid('header'), c.req.valid('json'));
      setJobHeaders(c, `/v1/images/${job.id}`, 1);
      return c.json(await viewOf(c.var.caller.tenant, job, c.req.valid('query').response_format), status);
    })
    .openapi(put, async (c) => {
      const { id } = c.req.valid('param');
      await refuseOddId(bucket, c.var.caller.tenant, id);
      const { job, status } = await submitImage(c, services, c.req.valid('header'), c.req.valid('json'), id);
      setJobHeaders(c, `/v1/images/${job.id}`, 1);
      return c.json(await viewOf(c.var.caller.tenant, job, c.req.valid('query').response_format), status);
    })
    .openapi(list, async (c) => {
      const { tenant } = c.var.caller;
      const { jobs, next } = await listJobs(bucket, kind, tenant, c.req.valid('query'));
      const data = await Promise.all(jobs.map((job) => viewOf(tenant, job)));
      return c.json({ object: 'list' as const, data, next: next ?? null }, 200);
    })
    .openapi(get, async (c) => {
      const { id } = c.req.valid('param');
      const { tenant } = c.var.caller;
      const image = await readJob(bucket, kind, tenant, id);
      if (!image) throw notFound(`image ${id}`, 'id');
      refuseExpired(image);
      return c.json(await viewOf(tenant, image, c.req.valid('query').response_format), 200);
    })
    .openapi(cancel, async (c) => {
      const { id } = c.req.valid('param');
      const { tenant } = c.var.caller;
      const image = await cancelJob(bucket, kind, tenant, id).catch((error) => {
        throw error instanceof NoSuchRecord ? notFound(`image ${id}`, 'id') : error;
      });
      await tellEnd(bucket, queues.webhooks, tenant, image).catch(reportUnsent(c, services));
      return c.json(await viewOf(tenant, image), 200);
    });
}

const day = 24 * 60 * 60 * 1000;

/**
 * An id that a caller made tells when: lists are sorted by it, and a job whose message was lost is looked for by it.
 * @throws ApiError 422 `odd_id` if it is of another time and no job has it
 */
async function refuseOddId(bucket: Bucket, tenant: string, id: string): Promise<void> {
  const age = Date.now() - idTime(id);
  if (age < 7 * day && age > -5 * 60 * 1000) return;
  if (await readJob(bucket, kind, tenant, id)) return;
  const made = new Date(idTime(id)).toISOString();
  throw new ApiError(422, 'odd_id', `${id} says that it was made at ${made}; want one made within the last seven days`, 'id');
}
