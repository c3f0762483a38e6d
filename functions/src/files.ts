import { createRoute } from '@hono/zod-openapi';
import {
  createFile,
  deleteFile,
  type FileView,
  fileIdSchema,
  fileRequestSchema,
  fileUploadSchema,
  fileViewSchema,
  listFiles,
  readFile,
  storeFile,
} from '@loraloom/jobs';
import { z } from 'zod';
import { ApiError, notFound } from './error.ts';
import { examples } from './examples.ts';
import { fileFormSchema, openaiFile, openaiFileSchema, readForm } from './file-upload.ts';
import { nameText, refuseUnfit } from './moderate.ts';
import { body, errors, json, newRouter, ofBody, pageOf, pageQuery } from './router.ts';
import type { Services } from './services.ts';

const params = z.object({ id: fileIdSchema });
const shownSchema = z.union([fileViewSchema, openaiFileSchema]);
const announced = body(fileRequestSchema, examples.fileRequest).body.content;

const post = createRoute({
  method: 'post',
  path: '/',
  summary: 'Announce a file and get a URL to PUT its bytes to, or send a small one at once as with OpenAI’s API',
  description:
    'The URL takes exactly the announced number of bytes with the announced SHA-256, within 15 minutes. A form goes through the API and may have 4 MiB.',
  request: {
    body: { required: true, content: { ...announced, 'multipart/form-data': { schema: fileFormSchema } } },
  },
  responses: {
    200: json('The file that was sent as a form', openaiFileSchema, examples.openaiFile),
    201: json('Where to put the bytes', fileUploadSchema, examples.fileUpload),
    ...errors(401, 403, ...ofBody, 429),
  },
});

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'Files, newest first',
  request: { query: pageQuery(fileIdSchema) },
  responses: {
    200: json('A page', pageOf(shownSchema).extend({ has_more: z.boolean() }), {
      object: 'list',
      data: [examples.file],
      next: null,
      has_more: false,
    }),
    ...errors(401, 403, 422, 429),
  },
});

const get = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'A file, and whether its bytes have arrived',
  description: 'What was sent as a form, with a purpose, is shown as OpenAI’s API shows files.',
  request: { params },
  responses: { 200: json('The file', shownSchema, examples.file), ...errors(401, 403, 404, 429) },
});

const remove = createRoute({
  method: 'delete',
  path: '/{id}',
  summary: 'Delete a file; jobs that name it and have not read it yet fail',
  request: { params },
  responses: {
    200: json('It is gone', z.object({ id: fileIdSchema, object: z.literal('file'), deleted: z.literal(true) }), {
      id: examples.file.id,
      object: 'file',
      deleted: true,
    }),
    ...errors(401, 403, 404, 429),
  },
});

/** Files that callers upload. */
export function files(services: Services) {
  const { bucket } = services;
  const router = newRouter();
  // A body is needed, which is said to readers; which of the two it is is looked at below.
  router.openAPIRegistry.registerPath(post);
  const either = { ...post, hide: true, request: { body: { ...post.request.body, required: false } } };
  return router
    .openapi(either, async (c) => {
      const { tenant } = c.var.caller;
      const type = c.req.header('content-type');
      if (type === undefined) throw new ApiError(415, 'unsupported_media_type', 'want content-type: application/json');
      if (type.startsWith('multipart/')) {
        const form = fileFormSchema.parse(c.req.valid('form'));
        refuseUnfit(services, [nameText('file', form.file.name)]);
        const { request, bytes } = await readForm(form);
        return c.json(
          openaiFile(await storeFile(bucket, tenant, { ...request, purpose: form.purpose }, bytes), form.purpose),
          200,
        );
      }
      const request = fileRequestSchema.parse(c.req.valid('json'));
      refuseUnfit(services, [nameText('name', request.name)]);
      const file = await createFile(bucket, tenant, request);
      c.header('Location', `/v1/files/${file.id}`);
      return c.json(file, 201);
    })
    .openapi(list, async (c) => {
      const { files: found, next } = await listFiles(bucket, c.var.caller.tenant, c.req.valid('query'));
      const has_more = next !== undefined;
      return c.json({ object: 'list' as const, data: found.map(viewOf), next: next ?? null, has_more }, 200);
    })
    .openapi(get, async (c) => {
      const { id } = c.req.valid('param');
      const file = await readFile(bucket, c.var.caller.tenant, id);
      if (!file) throw notFound(`file ${id}`, 'id');
      return c.json(viewOf(file), 200);
    })
    .openapi(remove, async (c) => {
      const { id } = c.req.valid('param');
      if (!(await deleteFile(bucket, c.var.caller.tenant, id))) throw notFound(`file ${id}`, 'id');
      return c.json({ id, object: 'file' as const, deleted: true as const }, 200);
    });
}

const viewOf = (file: FileView) => (file.purpose === undefined ? file : openaiFile(file, file.purpose));
