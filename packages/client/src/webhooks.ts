import type { DeliveryRecord, WebhookSecret } from '@loraloom/jobs';
import type { CallOptions, Connection, Page, PageOptions } from './connection.ts';

/** What is told to the tenant's own servers; for holders of the scope `admin`. What arrives there: `verifyWebhook`. */
export interface Webhooks {
  secret(options?: CallOptions): Promise<WebhookSecret>;
  /** The secret before it signs as well for a day. */
  rotateSecret(options?: CallOptions): Promise<WebhookSecret>;
  deliveries(options?: PageOptions): Promise<Page<DeliveryRecord>>;
  delivery(id: string, options?: CallOptions): Promise<DeliveryRecord>;
  /** Delivers it again, with all its attempts. */
  replay(id: string, options?: CallOptions): Promise<DeliveryRecord>;
}

export function webhooks({ call, get, list }: Connection): Webhooks {
  const place = '/v1/webhooks';
  return {
    secret: (options = {}) => get(`${place}/secret`, options),
    // Sent once: done twice, the secret before the first would sign no more.
    rotateSecret: ({ signal } = {}) => call('POST', `${place}/secret/rotate`, { signal }),
    deliveries: (options = {}) => list(`${place}/deliveries`, options),
    delivery: (id, options = {}) => get(`${place}/deliveries/${id}`, options),
    replay: (id, { signal } = {}) => call('POST', `${place}/deliveries/${id}/replay`, { repeatable: true, signal }),
  };
}
