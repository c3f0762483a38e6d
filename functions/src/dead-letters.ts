import { buryJob } from '@loraloom/jobs';
import { openBucket } from './cloud.ts';
import { handleEach } from './queue-event.ts';

const bucket = openBucket(process.env);
const log = (line: Record<string, unknown>) => console.log(JSON.stringify(line));

/** Called with what lies in the dead-letter queues of the jobs. */
export function handler(event: unknown) {
  const bury = async (body: string) => {
    const message = await buryJob(bucket, body);
    log({ level: 'error', message: 'dead letter', ...(message ?? { body: body.slice(0, 200) }) });
  };
  return handleEach(event, bury, log);
}
