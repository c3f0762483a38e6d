import { z } from 'zod';
import { fileIdSchema, imageIdSchema, loraIdSchema, trainingIdSchema } from './ids.ts';
import { nameSchema, tenantSchema } from './keys.ts';

const triggerWords = z
  .array(z.string().min(1).max(100))
  .max(10)
  .meta({
    description: 'What the LoRA answers to in a prompt',
    example: ['sks'],
  });
const license = z.string().min(1).max(200).meta({ example: 'CC-BY-4.0' });

/** The same weights under diffusers' names. */
export const diffusersFileSchema = z
  .object({ size_bytes: z.int().nonnegative(), sha256: z.string() })
  .nullable()
  .default(null)
  .meta({ description: 'The same LoRA as diffusers’ pytorch_lora_weights.safetensors; null: it was imported, there is none' });

/** One version of a LoRA: written once, it never changes. */
export const loraVersionSchema = z
  .object({
    name: nameSchema,
    object: z.literal('lora'),
    lora_id: loraIdSchema.meta({ description: 'Of this version; `name@lora_id` names it' }),
    model: nameSchema.meta({ description: 'The base it was made for' }),
    rank: z.int().positive().meta({ description: 'The highest of its layers’' }),
    alpha: z.number().nullable().meta({ description: 'null: the file alone tells, for each of its layers' }),
    trigger_words: triggerWords,
    license: license.nullable(),
    training_id: trainingIdSchema.nullable().meta({ description: 'The training that made it; null: it was imported' }),
    size_bytes: z.int().nonnegative(),
    sha256: z.string().meta({ description: 'Of the file, in hexadecimal' }),
    diffusers: diffusersFileSchema,
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'LoraVersion' });
export type LoraVersion = z.infer<typeof loraVersionSchema>;

/** The picture that stands for a LoRA: an uploaded one, or one that was made. */
export const coverSchema = z.union([
  z.strictObject({ file_id: fileIdSchema }),
  z.strictObject({ image_id: imageIdSchema, index: z.int().min(0).max(7).default(0) }),
]);
export type Cover = z.infer<typeof coverSchema>;

/** What stands under a name. Versions are added, and which one is the latest moves, by compare-and-swap. */
export const loraNameSchema = z.object({
  name: nameSchema,
  latest: loraVersionSchema.nullable().meta({ description: 'null: the name was deleted, and not used again since' }),
  versions: z.array(loraIdSchema).meta({ description: 'Those that may be named, newest first' }),
  trigger_words: triggerWords,
  license: license.nullable(),
  cover: coverSchema.nullable(),
  shared_with: z.array(tenantSchema),
  deleted_at: z.iso.datetime().nullable(),
});
export type LoraName = z.infer<typeof loraNameSchema>;

/** A LoRA as the API shows it: its latest version, and what is said of all of them. */
export const loraRecordSchema = loraVersionSchema
  .extend({
    cover: coverSchema.nullable(),
    cover_url: z.url().nullable().meta({ description: 'Valid for an hour' }),
    shared_with: z.array(tenantSchema).meta({ description: 'Tenants who may use it, as owner/name' }),
  })
  .meta({ id: 'Lora' });
export type LoraRecord = z.infer<typeof loraRecordSchema>;

/** A LoRA with presigned URLs of its weights. */
export const loraViewSchema = loraRecordSchema
  .extend({
    url: z.url().meta({ description: 'Of the file that was imported; of one that was trained, with kohya’s names' }),
    diffusers_url: z.url().nullable().meta({ description: 'Of the file with diffusers’ names, where there is one' }),
  })
  .meta({ id: 'LoraDownload' });
export type LoraView = z.infer<typeof loraViewSchema>;

/** A LoRA as it is imported. */
export const loraImportSchema = z
  .strictObject({
    name: nameSchema.meta({ description: 'A name that is in use gets a new version', example: 'my-style' }),
    file_id: fileIdSchema.meta({ description: 'The uploaded .safetensors file' }),
    model: nameSchema.meta({ description: 'The base it is for, see GET /v1/models', example: 'emoji' }),
    trigger_words: triggerWords.optional().meta({ description: 'Default: those that the file tells', example: ['sks'] }),
    license: license.optional(),
  })
  .meta({ id: 'LoraImport' });
export type LoraImport = z.infer<typeof loraImportSchema>;

/** What may be changed under a name; what is left out stays. */
export const loraChangeSchema = z
  .strictObject({
    latest: loraIdSchema.optional().meta({ description: 'The version that the name alone stands for' }),
    trigger_words: triggerWords.optional(),
    license: license.nullable().optional(),
    cover: coverSchema.nullable().optional(),
  })
  .meta({ id: 'LoraChange' });
export type LoraChange = z.infer<typeof loraChangeSchema>;

const part = `[a-z0-9][a-z0-9._-]{0,62}`;
const version = `(?:latest|lora_[0-7][0-9a-hjkmnp-tv-z]{25})`;

/** A version of a LoRA as requests name it. */
export const loraReferenceSchema = z
  .string()
  .regex(
    new RegExp(`^(?:[a-z0-9][a-z0-9_-]{0,62}/)?${part}(?:@${version})?$`),
    'want name, name@latest or name@lora_…, with owner/ before it if it is shared by another tenant',
  )
  .meta({
    description:
      '`name` or `name@latest`: the latest version; `name@lora_…`: that one; another tenant’s, if shared: `owner/name`',
    example: 'my-style',
  });

/** The parts of a reference that fits its schema. `version` undefined: the latest. */
export function parseLoraReference(reference: string): { owner?: string; name: string; version?: string } {
  const [, owner, name = '', version] = /^(?:([^/]+)\/)?([^@]+)(?:@(.+))?$/.exec(reference) ?? [];
  return {
    name,
    ...(owner === undefined ? {} : { owner }),
    ...(version === undefined || version === 'latest' ? {} : { version }),
  };
}

const coverageSchema = z.object({ adapted: z.int(), of: z.int().nullable() });

/** What the header of an uploaded file tells; its numbers are looked at when it is used first. */
export const loraReportSchema = z
  .object({
    object: z.literal('lora.report'),
    file_id: fileIdSchema,
    size_bytes: z.int(),
    sha256: z.string(),
    formats: z.array(z.string()).meta({ description: 'Whose names its tensors have: kohya, diffusers; a file may mix them' }),
    base: z.enum(['sd1', 'sd2', 'sdxl']).nullable().meta({ description: 'The family that it was made for, if it can be told' }),
    claimed_base: z.enum(['sd1', 'sd2', 'sdxl']).nullable().meta({ description: 'What its metadata says, if that is another' }),
    ranks: z.array(z.int()),
    alpha: z.number().nullable().meta({ description: 'As its metadata says' }),
    trigger_words: z.array(z.string()),
    layers: z
      .object({ unet: coverageSchema, text: coverageSchema, further: coverageSchema })
      .meta({ description: 'How many it adapts of the UNet’s usual ones, the text encoders’, and the UNet’s others' }),
    unsupported: z
      .object({ kind: z.string(), words: z.string(), tensor: z.string() })
      .nullable()
      .meta({ description: 'The kind of adapter that it is, if that is one which cannot be applied' }),
    problems: z
      .array(z.object({ code: z.string(), message: z.string() }))
      .meta({ description: 'Why it cannot be imported; empty if it can' }),
  })
  .meta({ id: 'LoraReport' });
export type LoraReport = z.infer<typeof loraReportSchema>;
