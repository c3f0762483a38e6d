import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** The whole stack as a process of its own, over a new folder, to be put under load. */
export async function startLoaded() {
  const folder = await mkdtemp(join(tmpdir(), 'loraloom-load-'));
  const child = fork(fileURLToPath(new URL('stack-process.ts', import.meta.url)), [folder, '0']);
  const { url, apiKey } = z.object({ url: z.url(), apiKey: z.string() }).parse((await once(child, 'message'))[0]);
  return {
    url,
    apiKey,
    /** Resident bytes of the API with the embedded S3 and SQS. */
    async memory(): Promise<number> {
      child.send('memory');
      return z.number().parse((await once(child, 'message'))[0]);
    },
    async close(): Promise<void> {
      const exited = once(child, 'exit');
      child.send('stop');
      await exited;
      await rm(folder, { recursive: true });
    },
  };
}
