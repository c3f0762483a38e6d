import { createRoute } from '@hono/zod-openapi';
import { createFile, fileIdSchema, fileRequestSchema, fileUploadSchema, fileViewSchema, readFile } from '@loraloom/jobs';
import { z } from 'zod';
import { notFound } from './error.ts';
import { examples } from './examples.ts';
import { nameText, refuseUnfit } from './moderate.ts';
import { body, errors, json, newRouter } from './router.ts';
import type { Services } from './services.ts';

const post = createRoute({
  method: 'post',
  path: '/',
  summary: 'Announce a file (a picture, or the lines of a batch) and get a URL to PUT its bytes to',
  description: 'The URL takes exactly the announced number of bytes with the announced SHA-256, within 15 minutes.',
  request: body(fileRequestSchema, examples.fileRequest),
  responses: { 201: json('Where to put the bytes', fileUploadSchema, examples.fileUpload), ...errors(401, 422) },
});

const get = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'A file, and whether its bytes have arrived',
  request: { params: z.object({ id: fileIdSchema }) },
  responses: { 200: json('The file', fileViewSchema, examples.file), ...errors(401, 404) },
});

/** Files that callers upload. */
export function files(services: Services) {
  const { bucket } = services;
  return newRouter()
    .openapi(post, async (c) => {
      refuseUnfit(services, [nameText('name', c.req.valid('json').name)]);
      const file = await createFile(bucket, c.var.caller.tenant, c.req.valid('json'));
      c.header('Location', `/v1/files/${file.id}`);
      return c.json(file, 201);
    })
    .openapi(get, async (c) => {
      const { id } = c.req.valid('param');
      const file = await readFile(bucket, c.var.caller.tenant, id);
      if (!file) throw notFound(`file ${id}`, 'id');
      return c.json(file, 200);
    });
}
