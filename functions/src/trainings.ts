import { createRoute } from '@hono/zod-openapi';
import {
  cancelJob,
  createTraining,
  trainings as kind,
  listJobs,
  NoSuchRecord,
  readJob,
  trainingIdSchema,
  trainingRecordSchema,
  trainingRequestSchema,
} from '@loraloom/jobs';
import { z } from 'zod';
import { notFound } from './error.ts';
import { examples } from './examples.ts';
import { body, errors, json, newRouter, pageOf, pageQuery, setJobHeaders } from './router.ts';
import type { Services } from './services.ts';
import { submit, submitHeaders } from './submit.ts';

const params = z.object({ id: trainingIdSchema });

const post = createRoute({
  method: 'post',
  path: '/',
  summary: 'Train a LoRA',
  request: { headers: submitHeaders, ...body(trainingRequestSchema, examples.trainingRequest) },
  responses: {
    200: json('It has ended already: a repeated request, or one that was waited for', trainingRecordSchema, examples.training),
    202: json('Accepted; poll its Location', trainingRecordSchema, examples.training),
    ...errors(401, 403, 409, 422, 429),
  },
});

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'Trainings, newest first',
  request: { query: pageQuery(trainingIdSchema) },
  responses: {
    200: json('A page', pageOf(trainingRecordSchema), { object: 'list', data: [examples.training], next: null }),
    ...errors(401, 403, 422, 429),
  },
});

const get = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'A training and how far it has come',
  request: { params },
  responses: { 200: json('The training', trainingRecordSchema, examples.training), ...errors(401, 403, 404, 429) },
});

const cancel = createRoute({
  method: 'post',
  path: '/{id}/cancel',
  summary: 'Cancel a training: a queued one at once, a running one as soon as its worker sees it',
  request: { params },
  responses: { 200: json('The training', trainingRecordSchema, examples.training), ...errors(401, 403, 404, 409, 429) },
});

/** Trainings of LoRAs. */
export function trainings(services: Services) {
  const { bucket } = services;
  return newRouter()
    .openapi(post, async (c) => {
      const { job, status } = await submit(c, services, kind, c.req.valid('header'), (to, tenant, id) =>
        createTraining(to, tenant, c.req.valid('json'), id),
      );
      setJobHeaders(c, `/v1/trainings/${job.id}`, 2);
      return c.json(job, status);
    })
    .openapi(list, async (c) => {
      const { jobs, next } = await listJobs(bucket, kind, c.var.caller.tenant, c.req.valid('query'));
      return c.json({ object: 'list' as const, data: jobs, next: next ?? null }, 200);
    })
    .openapi(get, async (c) => {
      const { id } = c.req.valid('param');
      const training = await readJob(bucket, kind, c.var.caller.tenant, id);
      if (!training) throw notFound(`training ${id}`, 'id');
      return c.json(training, 200);
    })
    .openapi(cancel, async (c) => {
      const { id } = c.req.valid('param');
      const training = await cancelJob(bucket, kind, c.var.caller.tenant, id).catch((error) => {
        throw error instanceof NoSuchRecord ? notFound(`training ${id}`, 'id') : error;
      });
      return c.json(training, 200);
    });
}
