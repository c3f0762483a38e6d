import { errorOf, LoraloomError } from './error.ts';

export interface CallOptions {
  /** Ends the call, whatever it is waiting for, with the signal's reason. */
  signal?: AbortSignal | undefined;
}

export interface PageOptions extends CallOptions {
  /** 1…100, default 20. */
  limit?: number;
  /** `next` of the page before. */
  after?: string;
}

export interface Page<T> {
  object: 'list';
  data: T[];
  /** Pass it as `after` for the next page; null on the last one. */
  next: string | null;
}

export interface CreateOptions extends CallOptions {
  /** Your own name for the job: sent again with it, the request makes no second one. Default: a random one for each call. */
  idempotencyKey?: string;
  /** Waits for the job's end for up to this many seconds, 60 at most, before it answers. */
  waitSeconds?: number;
}

interface Sending extends CallOptions {
  body?: object | undefined;
  query?: Record<string, string | number | undefined>;
  headers?: Record<string, string>;
  /** It may be done twice: sent again when the network or the server fails. Default: all but POST. */
  repeatable?: boolean;
}

/** A key or a token, or where to get one for each request: tokens expire. */
export type ApiKeySource = string | (() => string | Promise<string>);

/** Sends requests to the API; everything else of this client is written with it. */
export interface Connection {
  /** @throws LoraloomError for what is not a success, and if no answer comes (`status` 0, `code` `no_answer`) */
  call<T>(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, sending: Sending): Promise<T>;
  get<T>(path: string, options: CallOptions): Promise<T>;
  list<T>(path: string, options: PageOptions): Promise<Page<T>>;
  /** A POST once done, though the line may break and the request be sent again. */
  create<T>(path: string, body: object | undefined, options: CreateOptions, query?: Sending['query']): Promise<T>;
  /** Sends to another place, without the key. `through` is the fetch to take. */
  send(url: string, init: RequestInit, options: CallOptions, through?: typeof fetch): Promise<Response>;
  fetch: typeof fetch;
}

export function openConnection(url: string, apiKey: ApiKeySource, fetch: typeof globalThis.fetch): Connection {
  const base = url.replace(/\/+$/, '');
  const keyOf = async () => (typeof apiKey === 'string' ? apiKey : apiKey());

  // The types say what the API promises in its own schemas; parsing it all again here would cost ten times this client.
  async function call<T>(method: string, path: string, { body, query = {}, headers, repeatable, signal }: Sending): Promise<T> {
    const init = {
      method,
      headers: { authorization: `Bearer ${await keyOf()}`, ...(body ? { 'content-type': 'application/json' } : {}), ...headers },
      ...(body ? { body: JSON.stringify(body) } : {}),
    };
    const answer = await send(fetch, `${base}${path}${queryOf(query)}`, init, repeatable ?? method !== 'POST', signal);
    return answer.json();
  }

  return {
    call,
    fetch,
    get: (path, options) => call('GET', path, { signal: options.signal }),
    list: (path, { limit, after, signal }) => call('GET', path, { signal, query: { limit, after } }),
    create(path, body, { signal, idempotencyKey, waitSeconds }, query = {}) {
      // React Native has no randomUUID of its own; there a request goes out once, unless a key is given.
      const key = idempotencyKey ?? globalThis.crypto?.randomUUID?.();
      const headers = { ...(key ? { 'idempotency-key': key } : {}), ...preferOf(waitSeconds) };
      return call('POST', path, { body, query, headers, repeatable: key !== undefined, signal });
    },
    send: (to, init, { signal }, through = fetch) => send(through, to, init, true, signal),
  };
}

/** The header that asks to hold the answer back. */
export function preferOf(waitSeconds: number | undefined): Record<string, string> {
  return waitSeconds ? { prefer: `wait=${Math.ceil(waitSeconds)}` } : {};
}

// By hand: React Native's URLSearchParams cannot be written to.
function queryOf(query: NonNullable<Sending['query']>): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  return given.length === 0 ? '' : `?${given.map(([name, value]) => `${name}=${encodeURIComponent(`${value}`)}`).join('&')}`;
}

const tries = 4;
const longestWaitSeconds = 60;

async function send(
  fetch: typeof globalThis.fetch,
  url: string,
  init: RequestInit,
  repeatable: boolean,
  signal: AbortSignal | undefined,
): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    stopIfAborted(signal);
    const last = !repeatable || attempt === tries;
    let waitSeconds = Math.random() * 0.25 * 2 ** attempt;
    try {
      const answer = await fetch(url, { ...init, ...(signal ? { signal } : {}) });
      if (answer.ok) return answer;
      const temporary = answer.status === 429 || answer.status >= 500;
      const retryAfter = Number(answer.headers.get('retry-after')) || 0;
      // What a 504 has begun is not to be asked for a second time; a minute's limit is waited for, a month's quota is not.
      const hopeless = !temporary || answer.headers.get('x-should-retry') === 'false' || retryAfter > longestWaitSeconds;
      if (last || hopeless) throw await errorOf(answer);
      waitSeconds = Math.max(waitSeconds, retryAfter);
      await answer.body?.cancel();
    } catch (error) {
      stopIfAborted(signal);
      if (error instanceof LoraloomError) throw error;
      if (last) throw new LoraloomError(0, 'no_answer', `no answer from ${/^\w+:\/\/[^/]+/.exec(url)?.[0] ?? url}: ${error}`);
    }
    await sleep(waitSeconds, signal);
  }
}

// React Native's signals have no throwIfAborted, and older ones no reason.
function stopIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw reasonOf(signal);
}

function reasonOf(signal: AbortSignal | undefined): unknown {
  return signal?.reason ?? new Error('aborted');
}

/** @throws the signal's reason when it is aborted */
export async function sleep(seconds: number, signal: AbortSignal | undefined): Promise<void> {
  stopIfAborted(signal);
  await new Promise<void>((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(reasonOf(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, seconds * 1000);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
