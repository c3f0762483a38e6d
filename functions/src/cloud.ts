import { fetchBucket } from '@loraloom/jobs/bucket/fetch';
import { fetchQueue } from '@loraloom/jobs/queue/fetch';
import { z } from 'zod';

const environment = z
  .object({
    AWS_REGION: z.string(),
    AWS_ACCESS_KEY_ID: z.string(),
    AWS_SECRET_ACCESS_KEY: z.string(),
    AWS_SESSION_TOKEN: z.string().optional(),
    BUCKET: z.string(),
    TRAININGS_QUEUE_URL: z.url(),
    IMAGES_QUEUE_URL: z.url(),
    BATCHES_QUEUE_URL: z.url(),
    WEBHOOKS_QUEUE_URL: z.url(),
  })
  .parse(process.env);

const region = environment.AWS_REGION;
const credentials = () => ({
  accessKeyId: environment.AWS_ACCESS_KEY_ID,
  secretAccessKey: environment.AWS_SECRET_ACCESS_KEY,
  sessionToken: environment.AWS_SESSION_TOKEN,
});
const sqs = { endpoint: `https://sqs.${region}.amazonaws.com`, region, credentials };

/** What every function on Lambda has: the bucket, the queues, a log. */
export const cloud = {
  bucket: fetchBucket({ endpoint: `https://s3.${region}.amazonaws.com`, region, credentials }, environment.BUCKET),
  queues: {
    trainings: fetchQueue(sqs, environment.TRAININGS_QUEUE_URL),
    images: fetchQueue(sqs, environment.IMAGES_QUEUE_URL),
    batches: fetchQueue(sqs, environment.BATCHES_QUEUE_URL),
    webhooks: fetchQueue(sqs, environment.WEBHOOKS_QUEUE_URL),
  },
  log: (line: Record<string, unknown>) => console.log(JSON.stringify(line)),
};
