import { errorOf, LoraloomError } from './error.ts';

export interface Sending {
  fetch: typeof fetch;
  signal?: AbortSignal | undefined;
  /** Send again when the network or the server fails; only for what may be done twice. */
  retry: boolean;
}

const tries = 4;
const longestWaitSeconds = 60;

/**
 * Sends a request; the answer is a success.
 * @throws LoraloomError for any other answer, and for none (`status` 0, `code` `no_answer`)
 * @throws the signal's reason when it is aborted
 */
export async function send(url: string, init: RequestInit, { fetch, signal, retry }: Sending): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    const last = !retry || attempt === tries;
    let waitSeconds = Math.random() * 0.25 * 2 ** attempt;
    try {
      const answer = await fetch(url, { ...init, ...(signal ? { signal } : {}) });
      if (answer.ok) return answer;
      const temporary = answer.status === 429 || answer.status >= 500;
      const retryAfter = Number(answer.headers.get('retry-after')) || 0;
      // A minute's limit is waited for, a month's quota is not.
      if (last || !temporary || retryAfter > longestWaitSeconds) throw await errorOf(answer);
      waitSeconds = Math.max(waitSeconds, retryAfter);
      await answer.body?.cancel();
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof LoraloomError) throw error;
      if (last) throw new LoraloomError(0, 'no_answer', `no answer from ${new URL(url).host}: ${error}`);
    }
    await sleep(waitSeconds, signal);
  }
}

/** @throws the signal's reason when it is aborted */
export async function sleep(seconds: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, seconds * 1000);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
