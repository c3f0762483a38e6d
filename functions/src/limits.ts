import { type Bucket, keys, readRecord } from '@loraloom/jobs';
import { z } from 'zod';

const count = z.int().min(0);

/** What a tenant may use. These are the defaults; a tenant's record in the bucket, which its operator writes, has what differs. */
export const tenantLimitsSchema = z
  .strictObject({
    requests_per_minute: count.default(6000),
    /** A thousand pictures of a training are announced one by one. */
    requests_per_minute_per_key: count.default(1800),
    pictures_per_month: count.default(100_000),
    training_steps_per_month: count.default(2_000_000),
    /** A tenant's open jobs are one item of the table, which is rewritten for each: more would be slow and dear. */
    unfinished_jobs: count.max(2000).default(200),
  })
  .meta({ id: 'TenantLimits' });
export type TenantLimits = z.infer<typeof tenantLimitsSchema>;

const keptMilliseconds = 60_000;
const mostKept = 1000;

const kept = new WeakMap<Bucket, Map<string, { limits: Promise<TenantLimits>; until: number }>>();

/** A tenant's limits, read from the bucket at most once a minute. */
export function tenantLimits(bucket: Bucket, tenant: string): Promise<TenantLimits> {
  const ofBucket = kept.get(bucket) ?? new Map();
  kept.set(bucket, ofBucket);
  const known = ofBucket.get(tenant);
  if (known && known.until > Date.now()) return known.limits;
  if (ofBucket.size >= mostKept) ofBucket.clear();
  const limits = readRecord(bucket, keys.limits(tenant), tenantLimitsSchema).then(
    (stored) => stored?.record ?? tenantLimitsSchema.parse({}),
  );
  ofBucket.set(tenant, { limits, until: Date.now() + keptMilliseconds });
  // A record that could not be read is looked for again by the next request.
  limits.catch(() => ofBucket.delete(tenant));
  return limits;
}

/** Where a tenant's quotas and unfinished jobs are counted, by the month (UTC) that a job was made in. */
export function tenantAccount(tenant: string) {
  return { account: `tenant ${tenant}`, counterOf: (counter: string, time: number) => `${counter} ${monthOf(time)}` };
}

/** Where a token's quota is counted. */
export function tokenAccount(id: string) {
  return { account: `token ${id}`, counterOf: (counter: string) => counter };
}

/** As `2026-11`, in UTC. */
export const monthOf = (time: number) => new Date(time).toISOString().slice(0, 7);

/** When the month after that of `time` begins, in milliseconds since 1970. */
export function nextMonth(time: number): number {
  const date = new Date(time);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
}
