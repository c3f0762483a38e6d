import { z } from 'zod';
import type { Bucket } from './bucket/port.ts';
import { keys } from './keys.ts';
import { createRecord, putRecord, readRecord } from './record.ts';

/** Seconds for which a secret that was replaced still signs, beside its successor. */
const rotationSeconds = 24 * 3600;

/** What a tenant's webhooks are signed with: `whsec_` and 32 random bytes in base64. */
export const webhookSecretSchema = z
  .object({
    object: z.literal('webhook_secret'),
    secret: z.string().meta({ example: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }),
    previous: z
      .object({ secret: z.string(), expires_at: z.iso.datetime() })
      .nullable()
      .meta({ description: 'Signs as well until then, so that receivers can change over' }),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'WebhookSecret' });
export type WebhookSecret = z.infer<typeof webhookSecretSchema>;

function newSecret(previous: WebhookSecret['previous'], now: number): WebhookSecret {
  const secret = `whsec_${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))}`;
  return { object: 'webhook_secret', secret, previous, created_at: new Date(now).toISOString() };
}

/** A tenant's secret; the first time it is asked for, it is made. */
export async function webhookSecret(bucket: Bucket, tenant: string, now = Date.now()): Promise<WebhookSecret> {
  const key = keys.webhookSecret(tenant);
  const stored = await readRecord(bucket, key, webhookSecretSchema);
  if (stored) return stored.record;
  await createRecord(bucket, key, newSecret(null, now));
  return webhookSecret(bucket, tenant, now);
}

/** Replaces a tenant's secret. Two at once: the later one counts. */
export async function rotateWebhookSecret(bucket: Bucket, tenant: string, now = Date.now()): Promise<WebhookSecret> {
  const { secret } = await webhookSecret(bucket, tenant, now);
  const rotated = newSecret({ secret, expires_at: new Date(now + rotationSeconds * 1000).toISOString() }, now);
  await putRecord(bucket, keys.webhookSecret(tenant), rotated);
  return rotated;
}
