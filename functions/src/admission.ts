import { type Admit, idTime, sha256Hex } from '@loraloom/jobs';
import type { Caller } from './caller.ts';
import { ApiError } from './error.ts';
import { monthOf, nextMonth, type TenantLimits, tenantAccount, tenantLimits, tokenAccount } from './limits.ts';
import type { Services } from './services.ts';
import { type Cost, closeEnded, costOf, entryOf } from './unfinished.ts';

/** How many of each kind of job are looked up when an account is full. */
const lookups = 16;

/**
 * Admits jobs within the caller's bounds: the quota of a token, the tenant's monthly quotas and unfinished jobs.
 *
 * An accepted job is charged for, whatever becomes of it. The charge and the job's place among the unfinished ones are one
 * atomic change, made before the job is written and known by the job's id and request: whoever repeats a request while it is
 * unfinished is not charged again, even if the first one's process died half-way. Nobody counts jobs down as they end, which a
 * crash could miss: when an account is full, the records of its oldest jobs are read, and those that have ended make room.
 */
export function admission(services: Pick<Services, 'bucket' | 'limits'>, caller: Caller): Admit {
  const { bucket, limits } = services;
  return async ({ kind, tenant, id, request, asked }) => {
    const withdrawals: (() => Promise<void>)[] = [];
    const withdraw = async () => {
      for (const close of withdrawals.splice(0)) await close();
    };
    const cost = costOf(kind, request);
    const entry = entryOf(id, cost, (await sha256Hex(new TextEncoder().encode(JSON.stringify(asked)))).slice(0, 16));
    const allowed = await tenantLimits(bucket, tenant);
    const mostOpen = caller.batch ? Math.ceil(allowed.unfinished_jobs / 2) : allowed.unfinished_jobs;
    for (const bound of boundsOf(caller, cost, allowed, idTime(id))) {
      const { account, limit, expiresAt } = bound;
      const counter = bound.counterOf(cost.counter, idTime(id));
      const charge = () =>
        limits.charge(account, {
          add: { [counter]: { n: cost.n, limit } },
          open: { entry, limit: mostOpen },
          ...(expiresAt === undefined ? {} : { expiresAt: expiresAt / 1000 }),
        });
      let charged = await charge();
      const full = charged.open.length >= mostOpen;
      if (!charged.charged && full && (await closeEnded(services, tenant, bound, charged.open, lookups)) > 0)
        charged = await charge();
      if (!charged.charged) {
        await withdraw();
        throw refusal(cost, bound, charged.counters[counter] ?? 0, charged.open.length, mostOpen);
      }
      if (!charged.repeated) withdrawals.push(() => limits.close(account, entry, { [counter]: cost.n }));
    }
    return withdraw;
  };
}

/** A quota: in which account it is counted, how much it is, and when there is a new one. Times in milliseconds since 1970. */
type Bound = {
  account: string;
  counterOf: (counter: Cost['counter'], time: number) => string;
  limit: number;
  what: string;
  renewedAt: number;
  expiresAt?: number;
};

function boundsOf({ tenant, id, token }: Caller, { counter }: Cost, allowed: TenantLimits, time: number): Bound[] {
  const ofTenant = {
    ...tenantAccount(tenant),
    limit: { pictures: allowed.pictures_per_month, training_steps: allowed.training_steps_per_month }[counter],
    what: `this month’s quota (${monthOf(time)}, UTC)`,
    renewedAt: nextMonth(time),
  };
  const limit = token?.quota[counter];
  if (limit === undefined) return [ofTenant];
  const { expiresAt } = token ?? { expiresAt: 0 };
  return [{ ...tokenAccount(id), limit, what: 'this token’s quota', renewedAt: expiresAt, expiresAt }, ofTenant];
}

function refusal(
  { counter, n }: Cost,
  { limit, what, renewedAt }: Bound,
  used: number,
  open: number,
  mostOpen: number,
): ApiError {
  if (used + n > limit) {
    const message = `${what} is ${limit} ${counter}, of which ${Math.max(0, limit - used)} are left; ${n} were wanted`;
    return new ApiError(429, 'quota_exceeded', message, null, {
      retryAfterSeconds: Math.max(1, Math.ceil((renewedAt - Date.now()) / 1000)),
    });
  }
  const message = `${open} jobs are unfinished, want at most ${mostOpen}; wait for one to end, or cancel one`;
  return new ApiError(429, 'too_many_jobs', message, null, { retryAfterSeconds: 5 });
}
