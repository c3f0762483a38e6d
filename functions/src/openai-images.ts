import { createRoute } from '@hono/zod-openapi';
import { imageRequestSchema } from '@loraloom/jobs';
import { z } from 'zod';
import { ApiError, invalidRequest } from './error.ts';
import { examples } from './examples.ts';
import { finishedImage } from './finished-image.ts';
import { imageViews } from './image-view.ts';
import { body, errors, json, newRouter, ofBody } from './router.ts';
import type { Services } from './services.ts';
import { submitHeaders } from './submit.ts';

const { loras, negative_prompt, seed, steps, guidance_scale, sampler } = imageRequestSchema.shape;

/** OpenAI's request (platform.openai.com/docs/api-reference/images/create), and what of ours it has no word for. */
export const generationSchema = z
  .strictObject({
    prompt: z.string().min(1).max(2000).meta({ example: 'red apple, blue background' }),
    model: z.string().max(1000).meta({ description: 'A base, and LoRAs with their weights', example: 'emoji+my-style:0.8' }),
    n: z.int().min(1).max(8).nullish(),
    size: z
      .string()
      .regex(/^(?:\d{1,4}x\d{1,4}|auto)$/, 'want <width>x<height>, as 512x512, or auto')
      .nullish()
      .meta({ description: 'Multiples of 8, 1024 at most', example: '256x256' }),
    response_format: z.enum(['url', 'b64_json']).nullish().meta({ description: 'Default: url' }),
    loras: loras.optional(),
    negative_prompt: negative_prompt.optional(),
    seed,
    steps,
    guidance_scale,
    sampler,
    user: z.string().optional().meta({ description: 'Without effect' }),
    quality: z.string().nullish().meta({ description: 'Without effect' }),
    style: z.string().nullish().meta({ description: 'Without effect' }),
  })
  .meta({ id: 'Generation' });

export const generatedSchema = z
  .object({
    created: z.int().meta({ description: 'Seconds since 1970' }),
    data: z.array(z.object({ url: z.url().optional(), b64_json: z.string().optional() })),
    id: z.string().meta({ description: 'Of the job: GET /v1/images/{id} has the receipts' }),
  })
  .meta({ id: 'Generated' });

const post = createRoute({
  method: 'post',
  path: '/v1/images/generations',
  summary: 'Generate pictures as with OpenAI’s API',
  description:
    'The answer comes when the pictures are there. If they are not within the time that an answer may take, it is a 504 and the job goes on: its place is in Location, and in the message.',
  request: { headers: submitHeaders.pick({ 'idempotency-key': true }), ...body(generationSchema, examples.generation) },
  responses: { 200: json('The pictures', generatedSchema, examples.generated), ...errors(401, 403, 409, ...ofBody, 429, 504) },
});

/** Pictures as OpenAI's clients ask for them. */
export function openaiImages(services: Services) {
  const viewOf = imageViews(services);
  return newRouter().openapi(post, async (c) => {
    const asked = c.req.valid('json');
    const format = asked.response_format ?? 'url';
    const job = await finishedImage(c, services, c.req.valid('header'), requestOf(asked));
    const { output } = await viewOf(c.var.caller.tenant, job, format);
    const data = (output?.images ?? []).map(({ url, b64_json }) => (format === 'url' ? { url } : { b64_json: wanted(b64_json) }));
    return c.json({ created: Math.floor(Date.parse(job.created_at) / 1000), data, id: job.id }, 200);
  });
}

function wanted(text: string | null | undefined): string {
  if (typeof text === 'string') return text;
  throw new ApiError(422, 'too_large', 'the pictures are too large for an answer; want response_format url', 'response_format');
}

function requestOf(asked: z.output<typeof generationSchema>): z.output<typeof imageRequestSchema> {
  const { model, size, n, response_format: _, user: __, quality: ___, style: ____, loras: more = [], ...same } = asked;
  const [base = '', ...styles] = model.split('+');
  const [width, height] = size && size !== 'auto' ? size.split('x').map(Number) : [];
  const named = styles.map((style) => {
    const [, name = '', weight] = /^(.*?)(?::([^:]*))?$/.exec(style) ?? [];
    return { name, ...(weight === undefined ? {} : { weight: weight === '' ? Number.NaN : Number(weight) }) };
  });
  const parsed = imageRequestSchema.safeParse({ ...same, model: base, n: n ?? 1, width, height, loras: [...named, ...more] });
  if (!parsed.success) throw invalidRequest(parsed.error.issues);
  return parsed.data;
}
