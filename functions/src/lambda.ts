import { fetchBucket } from '@loraloom/jobs/bucket/fetch';
import { fetchQueue } from '@loraloom/jobs/queue/fetch';
import { openModerator, parsePolicy } from '@loraloom/moderation';
import { handle } from 'hono/aws-lambda';
import { z } from 'zod';
import { bucketKeys } from './api-key.ts';
import { createApp } from './app.ts';

const environment = z
  .object({
    AWS_REGION: z.string(),
    AWS_ACCESS_KEY_ID: z.string(),
    AWS_SECRET_ACCESS_KEY: z.string(),
    AWS_SESSION_TOKEN: z.string().optional(),
    BUCKET: z.string(),
    TRAININGS_QUEUE_URL: z.url(),
    IMAGES_QUEUE_URL: z.url(),
    KEY_PEPPER: z.string().min(32),
    /** What moderation lets through, as JSON; see docs/moderation.md. */
    MODERATION: z.string().optional(),
    /** Comma-separated. */
    CORS_ORIGINS: z.string().default(''),
  })
  .parse(process.env);

const region = environment.AWS_REGION;
const credentials = () => ({
  accessKeyId: environment.AWS_ACCESS_KEY_ID,
  secretAccessKey: environment.AWS_SECRET_ACCESS_KEY,
  sessionToken: environment.AWS_SESSION_TOKEN,
});
const bucket = fetchBucket({ endpoint: `https://s3.${region}.amazonaws.com`, region, credentials }, environment.BUCKET);
const sqs = { endpoint: `https://sqs.${region}.amazonaws.com`, region, credentials };

export const handler = handle(
  createApp({
    bucket,
    queues: {
      trainings: fetchQueue(sqs, environment.TRAININGS_QUEUE_URL),
      images: fetchQueue(sqs, environment.IMAGES_QUEUE_URL),
    },
    keys: bucketKeys(bucket),
    pepper: environment.KEY_PEPPER,
    // The gateway gives up after 30.
    waitSeconds: 25,
    moderator: openModerator(parsePolicy(environment.MODERATION)),
    origins: environment.CORS_ORIGINS.split(',').filter((origin) => origin !== ''),
    log: (line) => console.log(JSON.stringify(line)),
  }),
);
