import { type AuditEntry, type Audited, newId, putAudit, type Trace } from '@loraloom/jobs';
import type { Context, MiddlewareHandler } from 'hono';
import { accessOf } from './access.ts';
import { asApiError } from './error.ts';
import { matchedRoute } from './matched-route.ts';
import type { Env } from './router.ts';
import type { Services } from './services.ts';

/**
 * Writes a log line for every request to the API, and an audit entry for each by which something was done or was to be: before
 * it is answered, so that nothing is done unseen. Prompts are in the audit alone.
 */
export function observe(services: Services): MiddlewareHandler<Env> {
  return async (c, next) => {
    const begun = performance.now();
    await next();
    const route = matchedRoute(c);
    const access = route && accessOf(route);
    if (access === 'public' || (!access && !c.req.path.startsWith('/v1/'))) return;
    const seen = {
      request_id: c.var.requestId,
      caller: c.var.caller?.id ?? null,
      method: c.req.method,
      status: c.res.status,
      code: c.error ? (asApiError(c.error)?.code ?? 'internal_error') : null,
      milliseconds: Math.round(performance.now() - begun),
    };
    services.measure?.(
      { method: seen.method, route: route?.path ?? 'none', status: seen.status },
      (performance.now() - begun) / 1000,
    );
    const { audited } = c.var;
    services.log({
      level: 'info',
      message: 'request',
      ...seen,
      // By its name: a path may have ids in it, by which lines could not be counted.
      route: route?.path ?? null,
      tenant: c.var.caller?.tenant ?? null,
      ...(audited?.job === undefined ? {} : { job: audited.job }),
      ...traceOf(c),
    });
    if (c.var.caller && c.req.method !== 'GET') await keep(services, c, { ...seen, caller: c.var.caller.id });
  };
}

type Seen = Pick<AuditEntry, 'request_id' | 'caller' | 'method' | 'status' | 'code' | 'milliseconds'>;

async function keep({ bucket, log, ipOf, redactPrompts }: Services, c: Context<Env>, seen: Seen): Promise<void> {
  const entry: AuditEntry = {
    id: newId('audit'),
    object: 'audit',
    created_at: new Date().toISOString(),
    ...seen,
    ip: ipOf?.(c) ?? null,
    path: c.req.path,
    ...(redactPrompts ? redacted(c.var.audited) : c.var.audited),
  };
  await putAudit(bucket, c.var.caller.tenant, entry).catch((error) => {
    // What was done is done: its answer goes out, and this line stands in for the entry.
    log({ level: 'error', message: 'audit entry not written', error: String(error), entry: { ...entry, ...redacted(entry) } });
  });
}

function redacted(audited: Audited = {}): Audited {
  const { prompt, negative_prompt, ...rest } = audited;
  return {
    ...rest,
    ...(prompt === undefined ? {} : { prompt: null }),
    ...(negative_prompt === undefined ? {} : { negative_prompt: null }),
  };
}

/** What a request and all that comes of it are found by in the logs. */
export function traceOf(c: Context<Env>): Trace {
  const [, trace_id] = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/.exec(c.req.header('traceparent') ?? '') ?? [];
  return { request_id: c.var.requestId, ...(trace_id === undefined ? {} : { trace_id }) };
}
