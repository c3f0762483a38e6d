import {
  type Bucket,
  batchRecordSchema,
  createRecord,
  type DeliveryRecord,
  deliveryAttempts,
  deliveryId,
  deliveryRecordSchema,
  type EndMessage,
  imageRecordSchema,
  type JobQueues,
  keys,
  type Prices,
  readDelivery,
  readRecord,
  recordKey,
  trainingRecordSchema,
  updateRecord,
  webhookOf,
  webhookSecret,
} from '@loraloom/jobs';
import { viewOf as batchView } from '../batches.ts';
import { imageViews } from '../image-view.ts';
import { viewOf as trainingView } from '../trainings.ts';
import { signedHeaders } from './sign.ts';

/** Sends a POST and tells how it was answered. @throws BlockedAddress where it must not go; any other error if there is no answer */
export type Post = (url: string, headers: Record<string, string>, body: string) => Promise<{ status: number }>;

/** The URL leads, or may lead, into somebody's own network. */
export class BlockedAddress extends Error {}

export interface DeliveryServices {
  bucket: Bucket;
  queues: JobQueues;
  post: Post;
  prices?: Prices | undefined;
  /** Milliseconds since 1970; default: the clock's. */
  now?: () => number;
  /** 0 ≤ x < 1; default: Math.random. */
  random?: () => number;
}

/** SQS delays a message for no longer. */
const maxDelaySeconds = 900;

/**
 * Seconds until the next attempt after so many: 10, 40, 160 … up to four hours, and up to half as much again, so that what failed
 * together does not come back together. Ten attempts take 16 to 24 hours.
 */
function backoffSeconds(attempts: number, random: number): number {
  return Math.min(10 * 4 ** (attempts - 1), 4 * 3600) * (1 + random / 2);
}

/**
 * Tells of an end, once for each number of an attempt. Returning means that the message is done with; a message that is out of
 * date does nothing, and one that is early is sent again. As with ticks of batches, the message of the next attempt is sent
 * before the record says that this one was made: wherever it dies, there is a message that is not out of date.
 */
export async function deliver(services: DeliveryServices, message: EndMessage): Promise<void> {
  const { bucket, queues, now = Date.now, random = Math.random } = services;
  const { tenant } = message;
  const subject = await readSubject(bucket, tenant, message.id);
  if (!subject) return;
  const delivery = await openDelivery(bucket, tenant, subject, now());
  if (delivery?.status !== 'pending' || message.attempt < delivery.attempts) return;
  const again = async (attempt: number, at: number) => {
    const delaySeconds = Math.min(maxDelaySeconds, Math.max(0, Math.ceil((at - now()) / 1000)));
    await queues.webhooks.send(JSON.stringify({ ...message, attempt }), { delaySeconds, group: tenant });
  };
  const due = Date.parse(delivery.next_attempt_at ?? '');
  if (due > now()) return again(message.attempt, due);

  const { blocked, ...last_attempt } = await attemptTo(services, tenant, delivery, subject, now());
  const attempts = delivery.attempts + 1;
  const attempts_left = delivery.attempts_left - 1;
  const made = { attempts, attempts_left, last_attempt, next_attempt_at: null, finished_at: new Date(now()).toISOString() };
  const { status } = last_attempt;
  let change: Partial<DeliveryRecord>;
  if (status !== null && status >= 200 && status < 300) change = { ...made, status: 'delivered' };
  // Gone (410) is how a receiver says that it wants no more of it.
  else if (blocked || status === 410 || attempts_left === 0) change = { ...made, status: 'failed' };
  else {
    const at = now() + backoffSeconds(deliveryAttempts - attempts_left, random()) * 1000;
    await again(attempts, at);
    change = { ...made, finished_at: null, next_attempt_at: new Date(at).toISOString() };
  }
  await updateRecord(bucket, keys.deliveryRecord(tenant, delivery.id), deliveryRecordSchema, (current) =>
    current.attempts === delivery.attempts && current.status === 'pending' ? { ...current, ...change } : undefined,
  );
}

/** The delivery's record, made if this is the first message. Undefined if there is nothing to tell. */
async function openDelivery(bucket: Bucket, tenant: string, subject: Subject, now: number): Promise<DeliveryRecord | undefined> {
  const url = webhookOf(subject);
  if (url === undefined) return undefined;
  const moment = new Date(now).toISOString();
  const delivery: DeliveryRecord = {
    id: await deliveryId(subject),
    object: 'webhook_delivery',
    type: `${subject.object}.${subject.status}`,
    subject_id: subject.id,
    url,
    status: 'pending',
    created_at: moment,
    finished_at: null,
    attempts: 0,
    attempts_left: deliveryAttempts,
    next_attempt_at: moment,
    last_attempt: null,
  };
  const known = await readDelivery(bucket, tenant, delivery.id);
  if (known) return known;
  if (await createRecord(bucket, keys.deliveryRecord(tenant, delivery.id), delivery)) return delivery;
  return readDelivery(bucket, tenant, delivery.id);
}

async function attemptTo(services: DeliveryServices, tenant: string, delivery: DeliveryRecord, subject: Subject, now: number) {
  const { bucket, post } = services;
  const data = await shown(services, tenant, subject);
  const body = JSON.stringify({ type: delivery.type, timestamp: subject.finished_at, data });
  const headers = await signedHeaders(await webhookSecret(bucket, tenant, now), delivery.id, body, now);
  const at = new Date(now).toISOString();
  try {
    const { status } = await post(delivery.url, headers, body);
    return { at, status, error: null, blocked: false };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { at, status: null, error: text.slice(0, 500), blocked: error instanceof BlockedAddress };
  }
}

type Subject = NonNullable<Awaited<ReturnType<typeof readSubject>>>;

async function readSubject(bucket: Bucket, tenant: string, id: string) {
  const key = recordKey(tenant, id);
  if (id.startsWith('batch_')) return (await readRecord(bucket, key, batchRecordSchema))?.record;
  if (id.startsWith('trn_')) return (await readRecord(bucket, key, trainingRecordSchema))?.record;
  return (await readRecord(bucket, key, imageRecordSchema))?.record;
}

/** What has ended, as a GET would show it now. */
function shown({ bucket, queues, prices }: DeliveryServices, tenant: string, subject: Subject) {
  if (subject.object === 'image') return imageViews({ bucket, queues })(tenant, subject);
  if (subject.object === 'batch') return batchView({ bucket, prices }, tenant, subject);
  return trainingView(bucket, tenant, subject);
}
