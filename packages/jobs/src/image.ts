import { z } from 'zod';
import { fileIdSchema, imageIdSchema, loraIdSchema } from './ids.ts';
import { deadlineFields, type JobKind, jobFields } from './job.ts';
import { nameSchema } from './keys.ts';
import { loraReferenceSchema } from './lora.ts';
import { refusalSchema } from './refusal.ts';
import { webhookFields } from './webhook.ts';

export const samplerSchema = z.enum(['ddim', 'pndm', 'euler', 'euler_a', 'dpmpp_2m', 'dpmpp_2m_karras', 'unipc', 'lcm']);
export type Sampler = z.infer<typeof samplerSchema>;

const side = z
  .int()
  .min(8)
  .max(1024)
  .multipleOf(8)
  // The generator of openapi.json knows the other bounds, not this one.
  .meta({ multipleOf: 8 });
const seed = z
  .int()
  .min(0)
  .max(2 ** 32 - 1);

const steps = z.int().min(1).max(150);
const guidanceScale = z.number().min(0).max(30);

const loraFields = {
  weight: z.number().min(-2).max(2).default(1),
  text_weight: z.number().min(-2).max(2).optional().meta({ description: 'In the text encoder; default: as weight' }),
};

/** Pictures as they are asked for. */
export const imageRequestSchema = z
  .strictObject({
    model: nameSchema.meta({ description: 'Base model, see GET /v1/models', example: 'emoji' }),
    prompt: z.string().min(1).max(2000).meta({ example: 'red apple, blue background' }),
    negative_prompt: z.string().max(2000).default(''),
    n: z.int().min(1).max(8).default(1).meta({ description: 'How many pictures; picture i uses seed + i' }),
    width: side.optional().meta({ description: 'Pixels; default: the model’s resolution' }),
    height: side.optional().meta({ description: 'Pixels; default: the model’s resolution' }),
    steps: steps.optional().meta({ description: 'Default: the model’s' }),
    guidance_scale: guidanceScale.optional().meta({ description: 'Default: the model’s' }),
    sampler: samplerSchema.optional().meta({ description: 'Default: the model’s' }),
    seed: seed.optional().meta({ description: 'Default: drawn, and shown in the record' }),
    loras: z
      .array(z.strictObject({ name: loraReferenceSchema, ...loraFields }))
      .max(8)
      .default([])
      .meta({ example: [{ name: 'my-style', weight: 0.8 }] }),
    image: fileIdSchema.optional().meta({
      description: 'An uploaded picture to start from, instead of noise; scaled to cover width × height, the rest cut off evenly',
    }),
    image_strength: z.number().min(0).max(1).optional().meta({
      description:
        'How much of the image is made anew: 0 hardly anything, 1 all of it. That part of the steps is taken. Default: 0.6, and 1 with a mask',
    }),
    mask: fileIdSchema.optional().meta({
      description:
        'An uploaded picture over the image: what is white or transparent in it is made anew, what is black is kept, pixel for pixel',
    }),
    ...deadlineFields,
    ...webhookFields,
  })
  .meta({ id: 'ImageRequest' });

/** As a caller writes it, defaults left out. */
export type ImageRequestInput = z.input<typeof imageRequestSchema>;

/** A LoRA of a request that was accepted: the version that it stood for then, whichever is the latest when it is painted. */
const settledLoraSchema = z.object({
  name: loraReferenceSchema.meta({ description: '`name`, or `owner/name`' }),
  lora_id: loraIdSchema,
  sha256: z.string(),
  ...loraFields,
});
export type SettledLora = z.infer<typeof settledLoraSchema>;

/** The request in the record: what was asked with the defaults filled in, the model's among them. */
export const settledImageRequestSchema = imageRequestSchema
  .required({ width: true, height: true, steps: true, guidance_scale: true, sampler: true, seed: true })
  .extend({ loras: z.array(settledLoraSchema) })
  .meta({ id: 'SettledImageRequest' });
export type ImageRequest = z.infer<typeof settledImageRequestSchema>;

/** All that decided a picture: with this and the files of these digests it can be made again. */
export const receiptSchema = z
  .object({
    model: nameSchema,
    model_digest: z.string().meta({ description: 'SHA-256 of what `sha256sum` prints for the base’s files' }),
    loras: z
      .array(
        z.object({
          name: loraReferenceSchema,
          lora_id: loraIdSchema,
          digest: z.string().meta({ description: 'SHA-256 of its file' }),
          ...loraFields,
        }),
      )
      .max(8),
    seed,
    sampler: samplerSchema,
    steps,
    guidance_scale: guidanceScale,
    width: side,
    height: side,
    prompt: z.string().min(1).max(2000),
    negative_prompt: z.string().max(2000),
    image: z
      .object({
        file_id: fileIdSchema,
        sha256: z.string(),
        strength: z.number().min(0).max(1),
        mask_file_id: fileIdSchema.optional(),
        mask_sha256: z.string().optional(),
      })
      .optional()
      .meta({ description: 'The picture that it started from and its mask: SHA-256 of their pixels, as they were scaled' }),
    engine_version: z.string(),
  })
  .meta({ id: 'Receipt' });
export type Receipt = z.infer<typeof receiptSchema>;

/** A picture that was made before, once more. */
export const reproductionSchema = z.strictObject({ receipt: receiptSchema }).meta({ id: 'Reproduction' });

const pictureFields = {
  index: z.int().min(0),
  seed,
  width: z.int(),
  height: z.int(),
  content_type: z.literal('image/png'),
  sha256: z.string(),
  receipt: receiptSchema,
};

/** Pictures that were made and not kept, for what they show. */
const refused = z
  .array(refusalSchema.extend({ index: z.int().min(0), seed }))
  .optional()
  .meta({ description: 'Pictures that moderation refused: made, but neither kept nor shown' });

/** The record as the bucket holds it: pictures are named by their key. */
export const imageRecordSchema = z.object({
  id: imageIdSchema,
  object: z.literal('image'),
  ...jobFields,
  request: settledImageRequestSchema,
  output: z
    .object({
      images: z.array(z.object({ ...pictureFields, key: z.string() })),
      refused,
      expires_at: z.iso.datetime().optional().meta({ description: 'When the pictures are removed; absent: never' }),
    })
    .nullable(),
});
export type ImageRecord = z.infer<typeof imageRecordSchema>;

/** The record as the API shows it: pictures have a presigned URL in place of their key. */
export const imageViewSchema = imageRecordSchema
  .extend({
    output: z
      .object({
        images: z.array(
          z.object({
            ...pictureFields,
            url: z.url().meta({ description: 'Valid for an hour; ask again for a fresh one' }),
            b64_json: z
              .string()
              .nullable()
              .optional()
              .meta({ description: 'With response_format=b64_json; null if too large for an answer' }),
            data_uri: z
              .string()
              .nullable()
              .optional()
              .meta({ description: 'With response_format=data_uri; null if too large for an answer' }),
          }),
        ),
        refused,
        expires_at: z.iso.datetime().optional().meta({ description: 'When the pictures are removed; absent: never' }),
      })
      .nullable(),
    urls: z.object({
      self: z.string(),
      cancel: z.string(),
      poll: z.url().meta({
        description:
          'The bare record, straight from the bucket, valid for an hour: its status and progress. The pictures’ URLs are in self',
      }),
    }),
    queue_position: z.int().nullable().meta({
      description:
        'While it is queued: about how many jobs wait, those asked for later among them; so at most so many come before it',
    }),
    estimated_seconds: z.number().nullable().meta({ description: 'Until it has ended; null if there is nothing to tell it by' }),
  })
  .meta({ id: 'Image' });
export type ImageView = z.infer<typeof imageViewSchema>;

export const images: JobKind<ImageRequest, ImageRecord> = {
  name: 'image',
  folder: 'images',
  id: imageIdSchema,
  request: settledImageRequestSchema,
  record: imageRecordSchema,
};
