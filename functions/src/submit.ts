import {
  type Admit,
  type CreateServices,
  idOfKey,
  isFinal,
  type JobKind,
  type JobRecord,
  type Repeatable,
  RequestError,
  readJob,
} from '@loraloom/jobs';
import type { Context } from 'hono';
import { z } from 'zod';
import { admission } from './admission.ts';
import { ApiError } from './error.ts';
import { traceOf } from './observe.ts';
import type { Env } from './router.ts';
import type { Services } from './services.ts';
import { type Cost, costOf } from './unfinished.ts';

/** Most seconds that an answer is held back, where nothing in front of the app gives up sooner. */
const longestWaitSeconds = 60;

/** Logs that a message could not be sent. It is in the outbox, and nobody need wait for it. */
export function reportUnsent(c: Context<Env>, { log }: Services): (error: unknown) => void {
  return (error) => log({ level: 'warn', request_id: c.var.requestId, message: `not yet sent: ${error}` });
}

/** The header of a request that may be repeated. */
export const idempotencyHeaders = z.object({
  'idempotency-key': z.string().min(1).max(255).optional().meta({
    description:
      'Any text of your own: the same key and body give the same job, however often they are sent; with another body it is a 409',
    example: 'order-4711-poster-1',
  }),
});

/** The headers of a request that makes a job. */
export const submitHeaders = idempotencyHeaders.extend({
  prefer: z.string().max(100).optional().meta({
    description: '`wait=20` holds the answer back for up to that many seconds, 60 at most; it is a 200 if the job ends meanwhile',
    example: 'wait=20',
  }),
});

/**
 * Makes something once for each of the caller's own keys.
 * @param create makes it under an id, or under a new one
 */
export async function once<T>(
  c: Context<Env>,
  services: Services,
  kind: Repeatable,
  headers: z.infer<typeof idempotencyHeaders>,
  create: (services: CreateServices, tenant: string, id: string | undefined) => Promise<T>,
): Promise<T> {
  const { caller } = c.var;
  const { tenant } = caller;
  const { bucket, queues } = services;
  const key = headers['idempotency-key'];
  const report = reportUnsent(c, services);
  // Strangers with tokens do not meet each other's keys, nor the tenant's own.
  const id = key === undefined ? undefined : await idOfKey(bucket, kind, tenant, caller.token ? `${caller.id} ${key}` : key);
  return create({ bucket, queues, report, trace: traceOf(c) }, tenant, id).catch((error) => {
    if (!(error instanceof RequestError && error.code === 'id_taken' && key !== undefined)) throw error;
    const message = 'this Idempotency-Key came with another body before; want a new key, or the same body';
    throw new ApiError(409, 'idempotency_key_reused', message, 'Idempotency-Key');
  });
}

/**
 * Makes a job, once for each of the caller's own keys, and waits for its end if asked to.
 * @param create makes the job under an id, or under a new one
 * @returns its latest record, and 200 if it has ended, else 202
 */
export async function submit<Record extends JobRecord>(
  c: Context<Env>,
  services: Services,
  kind: JobKind<object, Record>,
  headers: z.infer<typeof submitHeaders>,
  create: (services: CreateServices, tenant: string, id: string | undefined) => Promise<Record>,
): Promise<{ job: Record; status: 200 | 202 }> {
  const { bucket, waitSeconds = longestWaitSeconds } = services;
  const { caller } = c.var;
  const { tenant } = caller;
  const charge = admission(services, caller);
  let cost: Cost | undefined;
  let job = await once(c, services, kind, headers, (to, owner, id) => {
    const admit: Admit = async (admitted) => {
      // Sent before under this key, and charged then.
      if (id !== undefined && (await readJob(bucket, kind, tenant, admitted.id))) return async () => undefined;
      const withdraw = await charge(admitted);
      cost = costOf(admitted.kind, admitted.request);
      return withdraw;
    };
    return create({ ...to, admit }, owner, id);
  });
  const costs = { pictures: 0, training_steps: 0, ...(cost ? { [cost.counter]: cost.n } : {}) };
  c.set('audited', { ...c.var.audited, job: job.id, cost: costs });
  const asked = Number(/(?:^|[,;\s])wait=(\d+)/.exec(headers.prefer ?? '')?.[1] ?? 0);
  if (asked > 0) c.header('Preference-Applied', 'wait');
  const until = Date.now() + 1000 * Math.min(asked, longestWaitSeconds, waitSeconds);
  for (
    let pause = 50;
    !isFinal(job.status) && Date.now() < until && !c.req.raw.signal.aborted;
    pause = Math.min(1.5 * pause, 500)
  ) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(pause, until - Date.now())));
    job = (await readJob(bucket, kind, tenant, job.id)) ?? job;
  }
  return { job, status: isFinal(job.status) ? 200 : 202 };
}
