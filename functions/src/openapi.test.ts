import {
  batchEstimateSchema,
  batchRequestSchema,
  batchViewSchema,
  deliveryRecordSchema,
  fileRequestSchema,
  fileUploadSchema,
  fileViewSchema,
  imageRequestSchema,
  imageViewSchema,
  loraChangeSchema,
  loraImportSchema,
  loraRecordSchema,
  loraReportSchema,
  loraVersionSchema,
  loraViewSchema,
  modelSchema,
  trainingCheckSchema,
  trainingEventSchema,
  trainingRecordSchema,
  trainingRequestSchema,
  trainingViewSchema,
  webhookSecretSchema,
} from '@loraloom/jobs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { apiKeySchema } from './api-key.ts';
import { createApp } from './app.ts';
import { examples } from './examples.ts';
import { openaiFileSchema } from './file-upload.ts';
import { generateSchema } from './generate.ts';
import { keyRequestSchema, newKeySchema } from './keys.ts';
import { generatedSchema, generationSchema } from './openai-images.ts';
import { testApp } from './test-app.ts';
import { holdToDocument } from './test-document.ts';
import { tokenRequestSchema } from './token.ts';
import { tokenSchema } from './tokens.ts';
import { usageSchema } from './usage.ts';

const content = z.object({ 'application/json': z.object({ schema: z.looseObject({}), example: z.unknown() }) });
const documentSchema = z.looseObject({
  openapi: z.literal('3.1.0'),
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.looseObject({
        summary: z.string().min(5),
        requestBody: z.object({ required: z.literal(true), content }).optional(),
        responses: z.record(z.string(), z.object({ description: z.string(), content })),
        parameters: z.array(z.looseObject({ name: z.string(), in: z.string() })).optional(),
      }),
    ),
  ),
  components: z.looseObject({ schemas: z.record(z.string(), z.looseObject({})) }),
});

const { app } = await testApp();
const text = await (await app.request('/openapi.json')).text();
const document = documentSchema.parse(JSON.parse(text));

test('describes every route, and each with an example of what is sent and what comes back', () => {
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const served = app.routes.filter(({ method, path }) => method !== 'ALL' && !['/openapi.json', '/docs'].includes(path));
  // A route is listed once for each of its validators.
  const paths = served.map(({ method, path }) => `${method} ${path.replaceAll(/\/:(\w+)/g, '/{$1}')}`);
  expect(described.sort()).toEqual([...new Set(paths)].sort());
  for (const methods of Object.values(document.paths)) {
    for (const { requestBody, responses } of Object.values(methods)) {
      for (const { content: body } of [...(requestBody ? [requestBody] : []), ...Object.values(responses)]) {
        expect(body['application/json'].example).toBeDefined();
      }
    }
  }
});

test('it says which scopes a route wants, any of those named', () => {
  expect(document.paths['/v1/images']?.post?.security).toEqual([{ apiKey: ['images'] }]);
  expect(document.paths['/v1/files']?.post?.security).toEqual([{ apiKey: ['images'] }, { apiKey: ['trainings'] }]);
  expect(document.paths['/healthz']?.get?.security).toEqual([]);
});

test.each([
  [200, { status: 'unwell' }, /answered 200, not as described: .*"\/status"/],
  [201, { status: 'ok' }, /answered 201: want one of 200/],
])('the suite holds every answer against it: %i %j would fail', async (status, body, why) => {
  const { services } = await testApp();
  const other = createApp(services);
  const { fetch } = other;
  other.fetch = (request) => (request.url.endsWith('/healthz') ? Response.json(body, { status }) : fetch(request));
  await expect(holdToDocument(other).request('/healthz')).rejects.toThrow(why);
});

test('every reference in it leads somewhere', () => {
  const references = [...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map((match) => match[1] ?? '');
  expect(references.length).toBeGreaterThan(20);
  expect(references.filter((name) => !(name in document.components.schemas))).toEqual([]);
});

test('requests are closed, and say what they default to', () => {
  const { FileRequest, TrainingRequest, ImageRequest } = document.components.schemas;
  for (const schema of [FileRequest, TrainingRequest, ImageRequest])
    expect(schema).toMatchObject({ additionalProperties: false });
  expect(TrainingRequest).toMatchObject({
    required: ['model', 'name', 'files'],
    properties: { rank: { type: 'integer', minimum: 1, maximum: 128, default: 8 } },
  });
  expect(ImageRequest).toMatchObject({
    required: ['model', 'prompt'],
    properties: {
      width: { type: 'integer', multipleOf: 8, maximum: 1024 },
      sampler: { enum: expect.arrayContaining(['ddim', 'dpmpp_2m_karras', 'lcm']) },
    },
  });
});

test.each([
  ['fileRequest', fileRequestSchema],
  ['file', fileViewSchema],
  ['fileUpload', fileUploadSchema],
  ['trainingRequest', trainingRequestSchema],
  ['training', trainingRecordSchema],
  ['trainingDetails', trainingViewSchema],
  ['trainingEvents', z.array(trainingEventSchema)],
  ['trainingCheck', trainingCheckSchema],
  ['loraVersion', loraVersionSchema],
  ['lora', loraRecordSchema],
  ['loraImport', loraImportSchema],
  ['loraChange', loraChangeSchema],
  ['loraReport', loraReportSchema],
  ['loraDownload', loraViewSchema],
  ['model', modelSchema],
  ['batchRequest', batchRequestSchema],
  ['batchEstimate', batchEstimateSchema],
  ['batchValidating', batchViewSchema],
  ['batch', batchViewSchema],
  ['webhookSecret', webhookSecretSchema],
  ['delivery', deliveryRecordSchema],
  ['imageRequest', imageRequestSchema],
  ['imageQueued', imageViewSchema],
  ['image', imageViewSchema],
  ['generation', generationSchema],
  ['generated', generatedSchema],
  ['generate', generateSchema],
  ['openaiFile', openaiFileSchema],
  ['keyRequest', keyRequestSchema],
  ['key', apiKeySchema],
  ['newKey', newKeySchema],
  ['tokenRequest', tokenRequestSchema],
  ['token', tokenSchema],
  ['usage', usageSchema],
] as const)('example %s is what its schema says', (name, schema) => {
  expect(z.safeParse<z.ZodType>(schema, examples[name]).error).toBeUndefined();
});
