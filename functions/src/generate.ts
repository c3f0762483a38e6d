import { createRoute } from '@hono/zod-openapi';
import { type Bucket, findLora, imageRequestSchema, listModels, loraReferenceSchema } from '@loraloom/jobs';
import { z } from 'zod';
import { ApiError } from './error.ts';
import { examples } from './examples.ts';
import { finishedImage } from './finished-image.ts';
import { imageViews } from './image-view.ts';
import { body, errors, json, newRouter, ofBody } from './router.ts';
import type { Services } from './services.ts';
import { submitHeaders } from './submit.ts';
import { requireUse } from './token-loras.ts';

const { prompt, negative_prompt, model, steps, seed, width, height } = imageRequestSchema.shape;

export const generateSchema = z
  .strictObject({
    prompt,
    lora_name: loraReferenceSchema.optional(),
    strength: z.number().min(-2).max(2).default(1).meta({ description: 'Of the LoRA' }),
    steps,
    negative_prompt,
    model: model.optional().meta({ description: 'Default: the one that the LoRA was made for, or the only one there is' }),
    seed,
    width,
    height,
  })
  .meta({ id: 'Generate' });

const post = createRoute({
  method: 'post',
  path: '/generate',
  summary: 'One picture for front ends that know nothing of jobs',
  description: 'As POST /v1/images/generations, it answers when the picture is there, or with a 504 while the job goes on.',
  request: { headers: submitHeaders.pick({ 'idempotency-key': true }), ...body(generateSchema, examples.generate) },
  responses: {
    200: json('The picture', z.object({ image: z.string() }), { image: 'data:image/png;base64,iVBORw0KGgo…' }),
    ...errors(401, 403, 409, ...ofBody, 429, 504),
  },
});

/** A prompt in, a picture out. */
export function generate(services: Services) {
  const viewOf = imageViews(services);
  return newRouter().openapi(post, async (c) => {
    const { lora_name, strength, model: named, ...same } = c.req.valid('json');
    const { tenant } = c.var.caller;
    if (lora_name !== undefined) requireUse(c.var.caller, [{ name: lora_name, param: 'lora_name' }]);
    const base = named ?? (await baseFor(services.bucket, tenant, lora_name));
    const request = { ...same, model: base, n: 1, loras: lora_name ? [{ name: lora_name, weight: strength }] : [] };
    const job = await finishedImage(c, services, c.req.valid('header'), request);
    const { output } = await viewOf(tenant, job, 'data_uri');
    const image = output?.images[0]?.data_uri;
    if (!image)
      throw new ApiError(422, 'too_large', `the picture is too large for an answer: GET /v1/images/${job.id} has its URL`);
    return c.json({ image }, 200);
  });
}

async function baseFor(bucket: Bucket, tenant: string, lora: string | undefined): Promise<string> {
  if (lora !== undefined) {
    const found = await findLora(bucket, tenant, lora);
    if (!found) throw new ApiError(422, 'unknown_lora', `no LoRA ${lora}; GET /v1/loras lists yours`, 'lora_name');
    return found.version.model;
  }
  const [only, ...others] = await listModels(bucket);
  if (only && others.length === 0) return only.name;
  throw new ApiError(422, 'unknown_model', 'there is more than one base model, or none; want model, see GET /v1/models', 'model');
}
