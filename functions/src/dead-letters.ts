import { buryJob } from '@loraloom/jobs';
import { fetchBucket } from '@loraloom/jobs/bucket/fetch';
import { z } from 'zod';
import { handleEach } from './queue-event.ts';

const environment = z
  .object({
    AWS_REGION: z.string(),
    AWS_ACCESS_KEY_ID: z.string(),
    AWS_SECRET_ACCESS_KEY: z.string(),
    AWS_SESSION_TOKEN: z.string().optional(),
    BUCKET: z.string(),
    /** Default: Amazon's. */
    S3_ENDPOINT: z.url().optional(),
  })
  .parse(process.env);

const { AWS_REGION: region, S3_ENDPOINT: endpoint = `https://s3.${region}.amazonaws.com` } = environment;
const credentials = () => ({
  accessKeyId: environment.AWS_ACCESS_KEY_ID,
  secretAccessKey: environment.AWS_SECRET_ACCESS_KEY,
  sessionToken: environment.AWS_SESSION_TOKEN,
});
const bucket = fetchBucket({ endpoint, region, credentials }, environment.BUCKET);
const log = (line: Record<string, unknown>) => console.log(JSON.stringify(line));

/** Called with what lies in the dead-letter queues of the jobs. */
export function handler(event: unknown) {
  const bury = async (body: string) => {
    const message = await buryJob(bucket, body);
    log({ level: 'error', message: 'dead letter', ...(message ?? { body: body.slice(0, 200) }) });
  };
  return handleEach(event, bury, log);
}
