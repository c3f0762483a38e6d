import { z } from 'zod';
import type { Bucket } from './bucket/port.ts';
import { deliveryIdSchema, derivedId } from './ids.ts';
import { keys } from './keys.ts';
import { listFolders, readRecord } from './record.ts';

const moment = z.iso.datetime();

/** An end, and how far telling it has come. */
export const deliveryRecordSchema = z
  .object({
    id: deliveryIdSchema.meta({ description: 'Also in the webhook-id header: the same for every attempt' }),
    object: z.literal('webhook_delivery'),
    type: z.string().meta({ description: 'What has ended, and how', example: 'image.succeeded' }),
    subject_id: z.string().meta({ description: 'Id of the image, training or batch', example: 'img_7yt09zhtwq5d3r8k1n6v0m9xcs' }),
    url: z.url(),
    status: z.enum(['pending', 'delivered', 'failed']),
    created_at: moment,
    finished_at: moment.nullable(),
    attempts: z.int().nonnegative(),
    attempts_left: z.int().nonnegative(),
    next_attempt_at: moment.nullable(),
    last_attempt: z
      .object({ at: moment, status: z.int().nullable(), error: z.string().nullable() })
      .nullable()
      .meta({ description: 'The HTTP status it was answered with, or why there was no answer' }),
  })
  .meta({ id: 'WebhookDelivery' });
export type DeliveryRecord = z.infer<typeof deliveryRecordSchema>;

/** How often an end is tried to be told, from the first time or from a replay. */
export const deliveryAttempts = 10;

/** The id of the delivery of an end: there is one for each, however often its message comes. */
export function deliveryId(subject: { id: string; finished_at: string | null }): Promise<string> {
  return derivedId('delivery', Date.parse(subject.finished_at ?? ''), subject.id);
}

export async function readDelivery(bucket: Bucket, tenant: string, id: string): Promise<DeliveryRecord | undefined> {
  return (await readRecord(bucket, keys.deliveryRecord(tenant, id), deliveryRecordSchema))?.record;
}

/** A page of a tenant's deliveries, those of the newest ends first. */
export async function listDeliveries(
  bucket: Bucket,
  tenant: string,
  page: { after?: string | undefined; limit: number },
): Promise<{ deliveries: DeliveryRecord[]; next: string | undefined }> {
  const { names, next } = await listFolders(bucket, keys.deliveries(tenant), page);
  const found = await Promise.all(names.map((id) => readDelivery(bucket, tenant, id)));
  return { deliveries: found.filter((delivery) => delivery !== undefined), next };
}
