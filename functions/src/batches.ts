import { createRoute } from '@hono/zod-openapi';
import {
  type BatchEstimate,
  type BatchRecord,
  type BatchView,
  batchEstimateSchema,
  batchIdSchema,
  batchRequestSchema,
  batchViewSchema,
  cancelBatch,
  createBatch,
  estimateOf,
  isFinalBatch,
  keys,
  listBatches,
  NoSuchRecord,
  readBatch,
  retryBatch,
  wantBatchFiles,
} from '@loraloom/jobs';
import { z } from 'zod';
import { checkedLines, maxLineErrors } from './batch/check.ts';
import { ApiError, notFound } from './error.ts';
import { examples } from './examples.ts';
import { body, errors, json, newRouter, ofBody, pageOf, pageQuery, setJobHeaders } from './router.ts';
import type { Services } from './services.ts';
import { idempotencyHeaders, once } from './submit.ts';

const params = z.object({ id: batchIdSchema });
const kind = { name: 'batch', folder: 'batches', id: batchIdSchema } as const;
const urlSeconds = 3600;

const post = createRoute({
  method: 'post',
  path: '/',
  summary: 'Generate pictures for every line of a JSONL file, or every row of a CSV file',
  description: 'With `dry_run`, the lines are checked and their cost is estimated, and nothing is made. See docs/batches.md.',
  request: { headers: idempotencyHeaders, ...body(batchRequestSchema, examples.batchRequest) },
  responses: {
    200: json('A dry run: what the batch would be', batchEstimateSchema, examples.batchEstimate),
    202: json('Accepted; poll its Location', batchViewSchema, examples.batchValidating),
    ...errors(401, 403, 409, ...ofBody, 429),
  },
});

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'Batches, newest first',
  request: { query: pageQuery(batchIdSchema) },
  responses: {
    200: json('A page', pageOf(batchViewSchema), { object: 'list', data: [examples.batch], next: null }),
    ...errors(401, 403, 422, 429),
  },
});

const get = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'A batch, how far it has come, and URLs of its outputs once it has ended',
  request: { params },
  responses: { 200: json('The batch', batchViewSchema, examples.batch), ...errors(401, 403, 404, 429) },
});

const cancel = createRoute({
  method: 'post',
  path: '/{id}/cancel',
  summary: 'Cancel a batch: what waits is not begun, what runs is stopped, what is done stays',
  request: { params },
  responses: { 200: json('The batch', batchViewSchema, examples.batch), ...errors(401, 403, 404, 409, 429) },
});

const retry = createRoute({
  method: 'post',
  path: '/{id}/retry',
  summary: 'A new batch of the lines that failed in an ended one',
  request: { params, headers: idempotencyHeaders },
  responses: {
    202: json('Accepted; poll its Location', batchViewSchema, examples.batchValidating),
    ...errors(401, 403, 404, 409, 429),
  },
});

/** Image requests by the thousand. */
export function batches(services: Services) {
  const { bucket, prices } = services;
  return newRouter()
    .openapi(post, async (c) => {
      const request = c.req.valid('json');
      if (request.budget?.max_cost !== undefined && !prices) {
        throw new ApiError(422, 'no_prices', 'this deployment has no prices configured; want max_images', 'budget.max_cost');
      }
      if (request.dry_run) return c.json(await dryRun(services, c.var.caller.tenant, request), 200);
      const batch = await once(c, services, kind, c.req.valid('header'), (to, tenant, id) =>
        createBatch(to, tenant, request, id),
      );
      c.set('audited', { job: batch.id });
      setJobHeaders(c, `/v1/batches/${batch.id}`, 2);
      return c.json(await viewOf(services, c.var.caller.tenant, batch), 202);
    })
    .openapi(list, async (c) => {
      const { batches: found, next } = await listBatches(bucket, c.var.caller.tenant, c.req.valid('query'));
      return c.json(
        {
          object: 'list' as const,
          data: await Promise.all(found.map((batch) => viewOf(services, c.var.caller.tenant, batch))),
          next: next ?? null,
        },
        200,
      );
    })
    .openapi(get, async (c) => {
      const { id } = c.req.valid('param');
      const batch = await readBatch(bucket, c.var.caller.tenant, id);
      if (!batch) throw notFound(`batch ${id}`, 'id');
      return c.json(await viewOf(services, c.var.caller.tenant, batch), 200);
    })
    .openapi(cancel, async (c) => {
      const { id } = c.req.valid('param');
      const batch = await cancelBatch(bucket, c.var.caller.tenant, id).catch((error) => {
        throw error instanceof NoSuchRecord ? notFound(`batch ${id}`, 'id') : error;
      });
      return c.json(await viewOf(services, c.var.caller.tenant, batch), 200);
    })
    .openapi(retry, async (c) => {
      const { id } = c.req.valid('param');
      const batch = await readBatch(bucket, c.var.caller.tenant, id);
      if (!batch) throw notFound(`batch ${id}`, 'id');
      const again = await once(c, services, kind, c.req.valid('header'), (to, tenant, newId) =>
        retryBatch(to, tenant, batch, newId),
      );
      c.set('audited', { job: again.id });
      setJobHeaders(c, `/v1/batches/${again.id}`, 2);
      return c.json(await viewOf(services, c.var.caller.tenant, again), 202);
    });
}

async function dryRun(services: Services, tenant: string, request: BatchRecord['request']): Promise<BatchEstimate> {
  const { bucket, prices } = services;
  await wantBatchFiles(bucket, tenant, request);
  const found: BatchEstimate['errors'] = [];
  const work = { images: 0, megapixel_steps: 0 };
  let lines = 0;
  let invalid = 0;
  let refused = 0;
  for await (const checked of checkedLines(services, tenant, { request, retry_of: null })) {
    if ('code' in checked) {
      invalid++;
      if (found.length < maxLineErrors) found.push(checked);
    } else if (checked.refused) {
      refused++;
      if (found.length < maxLineErrors) found.push({ line: checked.line, ...checked.refused });
    } else {
      lines++;
      work.images += checked.work.images;
      work.megapixel_steps += checked.work.megapixel_steps;
    }
  }
  const { images } = work;
  const counts = { lines, images, invalid_lines: invalid, refused_lines: refused };
  return { object: 'batch_estimate', ...counts, ...estimateOf(work, prices), errors: found };
}

/** The record as the API shows it: presigned URLs of what it has put out, nothing of how its ticks are counted. */
export async function viewOf(
  { bucket, prices }: Pick<Services, 'bucket' | 'prices'>,
  tenant: string,
  record: BatchRecord,
): Promise<BatchView> {
  const { fanout, work, ...batch } = record;
  const { id } = batch;
  const usage = { images: work.images, ...estimateOf(work, prices) };
  if (!isFinalBatch(batch.status) || fanout.chunks === 0) return { ...batch, usage, output: null };
  const url = (key: string, ending: string) => bucket.presignGet(key, { expiresSeconds: urlSeconds, filename: `${id}${ending}` });
  const archives = await Promise.all(
    fanout.archives.map(async ({ images, size_bytes }, i) =>
      size_bytes ? [{ url: await url(keys.batchArchive(tenant, id, i), `-${i}.zip`), images, size_bytes }] : [],
    ),
  );
  const output_url = fanout.output_bytes > 0 ? await url(keys.batchOutput(tenant, id), '.jsonl') : null;
  const errors_url = fanout.errors_bytes > 0 ? await url(keys.batchErrors(tenant, id), '-errors.jsonl') : null;
  return { ...batch, usage, output: { output_url, errors_url, archives: archives.flat() } };
}
