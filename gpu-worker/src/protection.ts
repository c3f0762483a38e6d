import { z } from 'zod';
import type { Services } from './services.ts';

/** Keeps those who scale in, or deploy, from stopping this worker while it holds a job. */
export interface Protection {
  /** A job was begun. */
  begun(): void;
  /** A job ended. */
  ended(): void;
  /** Gives the protection back. */
  close(): Promise<void>;
}

export interface ProtectionTimes {
  /** Between two looks at whether the protection must be asked for again. */
  lookMilliseconds: number;
  /** For which what was granted is not asked for again; less than it lasts. */
  renewMilliseconds: number;
  /** Without a job before the protection is given back: between two short jobs nobody is asked. */
  idleMilliseconds: number;
}

/** After this ECS forgets it: a worker that hangs does not keep its machine for ever. */
const expiresInMinutes = 60;

const usual: ProtectionTimes = { lookMilliseconds: 60_000, renewMilliseconds: 30 * 60_000, idleMilliseconds: 10_000 };

const answerSchema = z.object({
  protection: z.object({ ProtectionEnabled: z.boolean() }).optional(),
  failure: z.object({ Reason: z.string() }).optional(),
  error: z.object({ Code: z.string(), Message: z.string() }).optional(),
});

/**
 * The scale-in protection of the ECS task that this worker is
 * (docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html). A job does not wait for it, nor
 * fail without it: what is stopped all the same is put back.
 * @param agentUri ECS_AGENT_URI, which ECS gives to every container
 */
export function taskProtection(
  agentUri: string,
  { log }: Pick<Services, 'log'>,
  { lookMilliseconds, renewMilliseconds, idleMilliseconds }: ProtectionTimes = usual,
): Protection {
  let jobs = 0;
  /** When it was last granted, in ms of a clock that does not go back; undefined: it is not wanted. */
  let granted: number | undefined;
  let idle: NodeJS.Timeout | undefined;
  let look: NodeJS.Timeout | undefined;
  let asking = Promise.resolve();
  let unanswered = 0;

  /** One request after the other: the last word is the one that counts. */
  function ask(enabled: boolean): void {
    unanswered++;
    asking = asking
      .then(() => put(agentUri, enabled))
      .then(
        () => {
          if (enabled && granted !== undefined) granted = performance.now();
        },
        (error) => log({ level: 'warn', message: 'task protection not changed', enabled, error: String(error) }),
      )
      .finally(() => unanswered--);
  }

  function giveBack(): void {
    clearTimeout(idle);
    clearInterval(look);
    if (granted === undefined) return;
    granted = undefined;
    ask(false);
  }

  return {
    begun() {
      clearTimeout(idle);
      if (jobs++ > 0 || granted !== undefined) return;
      granted = Number.NEGATIVE_INFINITY;
      ask(true);
      look = setInterval(() => {
        if (unanswered === 0 && granted !== undefined && performance.now() - granted >= renewMilliseconds) ask(true);
      }, lookMilliseconds);
    },
    ended() {
      if (--jobs === 0) idle = setTimeout(giveBack, idleMilliseconds);
    },
    async close() {
      giveBack();
      await asking;
    },
  };
}

/** @throws Error if ECS does not answer that it is so */
async function put(agentUri: string, enabled: boolean): Promise<void> {
  const answer = await fetch(`${agentUri}/task-protection/v1/state`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ProtectionEnabled: enabled, ...(enabled ? { ExpiresInMinutes: expiresInMinutes } : {}) }),
    signal: AbortSignal.timeout(5000),
  });
  const { protection, failure, error } = answerSchema.parse(await answer.json());
  if (protection?.ProtectionEnabled === enabled) return;
  throw new Error(`${answer.status} ${failure?.Reason ?? error?.Code ?? ''} ${error?.Message ?? ''}`.trim());
}
