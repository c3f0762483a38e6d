import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { startS3 } from './s3/server.ts';
import { startSqs } from './sqs/server.ts';

export const credentials = { accessKeyId: 'LOCALKEY', secretAccessKey: 'local/secret+key' };

const startedSchema = z.object({ s3: z.string(), sqs: z.string() });

/** Both servers in a process of their own, which can be killed and whose memory can be measured. */
export async function startProcess(folder: string) {
  const child = fork(fileURLToPath(import.meta.url), [folder]);
  const urls = startedSchema.parse((await once(child, 'message'))[0]);
  return {
    ...urls,
    /** The most memory it ever had, in bytes. */
    async peakMemory(): Promise<number> {
      child.send('memory');
      return z.number().parse((await once(child, 'message'))[0]) * 1024;
    },
    /** Ends it as if the power had gone, as far as a process can tell. */
    async kill(): Promise<void> {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2] ?? '';
  const [s3, sqs] = await Promise.all([startS3({ folder, credentials }), startSqs({ folder, credentials })]);
  s3.createBucket('loom');
  process.on('message', () => process.send?.(process.resourceUsage().maxRSS));
  process.send?.({ s3: s3.url, sqs: sqs.url });
}
