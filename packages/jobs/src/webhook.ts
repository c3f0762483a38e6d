import { z } from 'zod';
import type { Bucket } from './bucket/port.ts';
import { batchIdSchema, imageIdSchema, trainingIdSchema } from './ids.ts';
import { keys, tenantSchema } from './keys.ts';
import type { Queue } from './queue/port.ts';

const localHost = /^(localhost|127\.0\.0\.1|\[::1\])$/;

/** Where to tell of an end. Addresses are judged when the message is sent, since a name may lead elsewhere by then. */
const webhookUrlSchema = z
  .url({ protocol: /^https?$/ })
  .max(2000)
  .refine((text) => {
    const url = URL.parse(text);
    return url?.username === '' && url.password === '' && (url.protocol === 'https:' || localHost.test(url.hostname));
  }, 'want https:// without user and password (http://localhost is for development)');

const endSchema = z.enum(['succeeded', 'failed', 'canceled']);

/** What a training, an image or a batch may say of its webhook. */
export const webhookFields = {
  webhook_url: webhookUrlSchema
    .optional()
    .meta({ description: 'Gets a signed POST when this has ended, see docs/webhooks.md', example: 'https://shop.example/hooks' }),
  webhook_events: z.array(endSchema).min(1).optional().meta({ description: 'Of which ends to tell; default: of every one' }),
};
const webhookSchema = z.object(webhookFields);

/** Whatever may end and has a webhook: a training, an image, a batch. */
type Ending = { id: string; status: string; request: object };

/** Where to tell of this record's end; undefined if it has not ended, or nobody wants to hear of it. */
export function webhookOf({ status, request }: Omit<Ending, 'id'>): string | undefined {
  const end = endSchema.safeParse(status).data;
  const { webhook_url, webhook_events } = webhookSchema.parse(request);
  return end && (webhook_events ?? endSchema.options).includes(end) ? webhook_url : undefined;
}

/** Travels through the queue of webhooks: the end of what has this id is to be told, for the time after so many attempts. */
export const endMessageSchema = z.strictObject({
  kind: z.literal('end'),
  tenant: tenantSchema,
  id: z.union([trainingIdSchema, imageIdSchema, batchIdSchema]),
  attempt: z.int().nonnegative(),
});
export type EndMessage = z.infer<typeof endMessageSchema>;

/** The key of the record that an id of any of these kinds belongs to. */
export function recordKey(tenant: string, id: string): string {
  if (id.startsWith('batch_')) return keys.batchRecord(tenant, id);
  return keys.jobRecord(id.startsWith('trn_') ? 'trainings' : 'images', tenant, id);
}

/**
 * To be awaited before an end is written (see `updateRecord`): an entry in the outbox, if somebody wants to hear of it.
 * Thus the end is told even if the process that writes it dies at once; see outbox.ts.
 */
export function noteEnd(bucket: Bucket, tenant: string): (changed: Ending) => Promise<void> {
  return async (changed) => {
    if (webhookOf(changed) !== undefined) await bucket.put(keys.outboxEntry('webhooks', tenant, changed.id), new Uint8Array());
  };
}

/** To be called after an end was written: sends the message that noteEnd's entry stands for. Nothing for what has not ended. */
export async function tellEnd(bucket: Bucket, queue: Queue, tenant: string, record: Ending): Promise<void> {
  if (webhookOf(record) !== undefined) await sendEnd(bucket, queue, tenant, record.id);
}

/** Sends the message, then takes its entry out of the outbox. */
export async function sendEnd(bucket: Bucket, queue: Queue, tenant: string, id: string): Promise<void> {
  const message = endMessageSchema.parse({ kind: 'end', tenant, id, attempt: 0 });
  await queue.send(JSON.stringify(message), { group: tenant });
  await bucket.delete(keys.outboxEntry('webhooks', tenant, id));
}
