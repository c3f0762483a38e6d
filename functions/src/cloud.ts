import { fetchBucket } from '@loraloom/jobs/bucket/fetch';
import { dynamoLimits } from '@loraloom/jobs/limits/dynamo';
import { fetchQueue } from '@loraloom/jobs/queue/fetch';
import { z } from 'zod';

const accessSchema = z.object({
  AWS_REGION: z.string(),
  AWS_ACCESS_KEY_ID: z.string(),
  AWS_SECRET_ACCESS_KEY: z.string(),
  AWS_SESSION_TOKEN: z.string().optional(),
  /** Where other services than AWS' own are, by the names that its SDKs have for that. */
  AWS_ENDPOINT_URL_S3: z.url().optional(),
  AWS_ENDPOINT_URL_SQS: z.url().optional(),
  AWS_ENDPOINT_URL_DYNAMODB: z.url().optional(),
});

/** How a service of AWS' is reached: through signed fetch, with Web APIs alone. */
function accessTo(service: 'S3' | 'SQS' | 'DYNAMODB', variables: unknown) {
  const environment = accessSchema.parse(variables);
  const { AWS_REGION: region } = environment;
  return {
    endpoint: environment[`AWS_ENDPOINT_URL_${service}`] ?? `https://${service.toLowerCase()}.${region}.amazonaws.com`,
    region,
    credentials: () => ({
      accessKeyId: environment.AWS_ACCESS_KEY_ID,
      secretAccessKey: environment.AWS_SECRET_ACCESS_KEY,
      sessionToken: environment.AWS_SESSION_TOKEN,
    }),
  };
}

/** The deployment's bucket. */
export function openBucket(variables: unknown) {
  const { BUCKET } = z.object({ BUCKET: z.string() }).parse(variables);
  return fetchBucket(accessTo('S3', variables), BUCKET);
}

const cloudSchema = z.object({
  TRAININGS_QUEUE_URL: z.url(),
  IMAGES_QUEUE_URL: z.url(),
  BATCHES_QUEUE_URL: z.url(),
  WEBHOOKS_QUEUE_URL: z.url(),
});

/** What every function of a deployment has: the bucket, the queues, a log. */
export function openCloud(variables: unknown) {
  const environment = cloudSchema.parse(variables);
  const sqs = accessTo('SQS', variables);
  return {
    bucket: openBucket(variables),
    queues: {
      trainings: fetchQueue(sqs, environment.TRAININGS_QUEUE_URL),
      images: fetchQueue(sqs, environment.IMAGES_QUEUE_URL),
      batches: fetchQueue(sqs, environment.BATCHES_QUEUE_URL),
      webhooks: fetchQueue(sqs, environment.WEBHOOKS_QUEUE_URL),
    },
    log: (line: Record<string, unknown>) => console.log(JSON.stringify(line)),
  };
}

/** Where tenants' quotas are counted, for those functions that charge for what they accept. */
export function cloudLimits(variables: unknown) {
  const { LIMITS_TABLE } = z.object({ LIMITS_TABLE: z.string() }).parse(variables);
  return dynamoLimits(accessTo('DYNAMODB', variables), LIMITS_TABLE);
}
