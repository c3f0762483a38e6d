import { z } from 'zod';
import type { Bucket } from './bucket/port.ts';
import { loraIdSchema, trainingIdSchema } from './ids.ts';
import { keys, nameSchema } from './keys.ts';
import { listFolders, readRecord } from './record.ts';

/** A LoRA's latest version. */
export const loraRecordSchema = z
  .object({
    name: nameSchema,
    object: z.literal('lora'),
    lora_id: loraIdSchema.meta({ description: 'Changes with every version' }),
    model: nameSchema.meta({ description: 'The base it was trained on' }),
    rank: z.int().positive(),
    alpha: z.number(),
    trigger_word: z.string().nullable(),
    training_id: trainingIdSchema.nullable(),
    size_bytes: z.int().nonnegative(),
    sha256: z.string(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'Lora' });
export type LoraRecord = z.infer<typeof loraRecordSchema>;

/** A LoRA with a presigned URL of its weights. */
export const loraViewSchema = loraRecordSchema.extend({ url: z.url() }).meta({ id: 'LoraDownload' });
export type LoraView = z.infer<typeof loraViewSchema>;

export async function readLora(bucket: Bucket, tenant: string, name: string): Promise<LoraRecord | undefined> {
  return (await readRecord(bucket, keys.loraRecord(tenant, name), loraRecordSchema))?.record;
}

/** A page of a tenant's LoRAs, by name. `next` is the `after` of the next page. */
export async function listLoras(
  bucket: Bucket,
  tenant: string,
  page: { after?: string | undefined; limit: number },
): Promise<{ loras: LoraRecord[]; next: string | undefined }> {
  const { names, next } = await listFolders(bucket, keys.loras(tenant), page);
  const found = await Promise.all(names.map((name) => readLora(bucket, tenant, name)));
  return { loras: found.filter((lora) => lora !== undefined), next };
}
