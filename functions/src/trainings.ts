import { createRoute } from '@hono/zod-openapi';
import {
  type Bucket,
  cancelJob,
  createTraining,
  keys,
  trainings as kind,
  listJobs,
  NoSuchRecord,
  optionMeant,
  readJob,
  readTrainingEvents,
  type TrainingRecord,
  type TrainingView,
  tellEnd,
  trainingEventSchema,
  trainingIdSchema,
  trainingRecordSchema,
  trainingRequestSchema,
  trainingViewSchema,
} from '@loraloom/jobs';
import { z } from 'zod';
import { notFound } from './error.ts';
import { examples } from './examples.ts';
import { refuseUnfit, trainingTexts } from './moderate.ts';
import { body, errors, json, newRouter, ofBody, pageOf, pageQuery, setJobHeaders } from './router.ts';
import type { Services } from './services.ts';
import { reportUnsent, submit, submitHeaders } from './submit.ts';
import { requireTraining } from './token-loras.ts';
import { requireWebhook } from './webhooks.ts';

const params = z.object({ id: trainingIdSchema });

const post = createRoute({
  method: 'post',
  path: '/',
  summary: 'Train a LoRA',
  request: { headers: submitHeaders, ...body(trainingRequestSchema, examples.trainingRequest) },
  responses: {
    200: json('It has ended already: a repeated request, or one that was waited for', trainingRecordSchema, examples.training),
    202: json('Accepted; poll its Location', trainingRecordSchema, examples.training),
    ...errors(401, 403, 409, ...ofBody, 429),
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
  summary: 'A training and how far it has come, with URLs of its checkpoints and sample pictures',
  description: 'The URLs are valid for an hour; ask again for fresh ones.',
  request: { params },
  responses: { 200: json('The training', trainingViewSchema, examples.trainingDetails), ...errors(401, 403, 404, 429) },
});

const events = createRoute({
  method: 'get',
  path: '/{id}/events',
  summary: 'What has happened in a training: its loss at each step, learning rate, checkpoints, samples',
  description:
    'Pass `next` as `after` to get what has happened since. A step that was taken again after a crash is told again; the later one counts.',
  request: {
    params,
    query: z.strictObject({
      after: z
        .string()
        .regex(/^\d{6}-\d{6}$/)
        .optional()
        .meta({ description: '`next` of the answer before', example: '000001-000012' }),
    }),
  },
  responses: {
    200: json(
      'What has happened, oldest first',
      z.object({
        object: z.literal('list'),
        data: z.array(trainingEventSchema),
        next: z.string().nullable().meta({ description: 'Where to go on; null before anything has happened' }),
      }),
      { object: 'list', data: examples.trainingEvents, next: '000001-000000' },
    ),
    ...errors(401, 403, 404, 422, 429),
  },
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
  const { bucket, queues } = services;
  return newRouter(optionMeant)
    .openapi(post, async (c) => {
      const { model, name, trigger_word } = c.req.valid('json');
      c.set('audited', { model, loras: [{ name }], ...(trigger_word === undefined ? {} : { prompt: trigger_word }) });
      refuseUnfit(services, trainingTexts(c.req.valid('json')));
      requireTraining(c.var.caller, c.req.valid('json'));
      requireWebhook(c.var.caller, c.req.valid('json'));
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
      return c.json(await viewOf(bucket, c.var.caller.tenant, training), 200);
    })
    .openapi(events, async (c) => {
      const { id } = c.req.valid('param');
      const { tenant } = c.var.caller;
      if (!(await readJob(bucket, kind, tenant, id))) throw notFound(`training ${id}`, 'id');
      const { events: data, next } = await readTrainingEvents(bucket, tenant, id, c.req.valid('query').after);
      return c.json({ object: 'list' as const, data, next }, 200);
    })
    .openapi(cancel, async (c) => {
      const { id } = c.req.valid('param');
      const training = await cancelJob(bucket, kind, c.var.caller.tenant, id).catch((error) => {
        throw error instanceof NoSuchRecord ? notFound(`training ${id}`, 'id') : error;
      });
      await tellEnd(bucket, queues.webhooks, c.var.caller.tenant, training).catch(reportUnsent(c, services));
      return c.json(training, 200);
    });
}

/** The record with presigned URLs of what was made on the way. */
export async function viewOf(bucket: Bucket, tenant: string, record: TrainingRecord): Promise<TrainingView> {
  const { id, request } = record;
  const url = (key: string, filename?: string) =>
    bucket.presignGet(key, { expiresSeconds: 3600, ...(filename === undefined ? {} : { filename }) });
  const checkpoints = record.checkpoints.map(async (checkpoint) => {
    const { step } = checkpoint;
    return { ...checkpoint, url: await url(keys.checkpointLora(tenant, id, step), `${request.name}-step${step}.safetensors`) };
  });
  const samples = record.samples.map(async (sample) => ({
    ...sample,
    url: await url(keys.sample(tenant, id, sample.step, sample.index)),
  }));
  return { ...record, checkpoints: await Promise.all(checkpoints), samples: await Promise.all(samples) };
}
