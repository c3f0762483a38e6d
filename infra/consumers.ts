import type { Bucket } from './bucket.ts';
import type { Limits } from './limits.ts';
import { type Queues, queueUrls } from './queues.ts';
import { pricesOf, type Stage, textPolicyOf } from './stage.ts';

interface Needs {
  bucket: Bucket;
  queues: Queues;
  limits: Limits;
}

/** The functions that move batches on, tell webhooks, and see to what was written down and never sent; the last also gathers the audit. */
export function createConsumers({ prices, moderation }: Stage, { bucket, queues, limits }: Needs) {
  const objects = (...patterns: string[]) => patterns.map((pattern) => $interpolate`${bucket.arn}/${pattern}`);
  const environment = { BUCKET: bucket.name, ...queueUrls(queues) };
  // Without it S3 answers 403, not 404, for an object that is not there.
  const list = { actions: ['s3:ListBucket'], resources: [bucket.arn] };
  const everyQueue = Object.values(queues).map(({ live }) => live.arn);

  queues.batches.live.subscribe(
    {
      handler: 'functions/src/batches-consumer.handler',
      runtime: 'nodejs24.x',
      memory: '1024 MB',
      timeout: '15 minutes', // To zip a thousand large pictures; the queue hides a message for 16.
      environment: { ...environment, LIMITS_TABLE: limits.name, ...pricesOf(prices), ...textPolicyOf(moderation) },
      permissions: [
        { actions: ['s3:GetObject'], resources: objects('tenants/*', 'pictures/*', 'models/*/model.json', 'outbox/*') },
        {
          actions: ['s3:PutObject'],
          resources: objects(
            'tenants/*/batches/*',
            'tenants/*/images/*/request.json',
            'tenants/*/images/*/record.json',
            'pictures/*',
            'outbox/*',
          ),
        },
        { actions: ['s3:DeleteObject'], resources: objects('outbox/*') },
        list,
        {
          actions: ['sqs:SendMessage'],
          resources: [queues.images.live.arn, queues.batches.live.arn, queues.webhooks.live.arn],
        },
        { actions: ['dynamodb:GetItem', 'dynamodb:UpdateItem'], resources: [limits.arn] },
      ],
    },
    // One at a time: what is in a message may take all of the memory.
    { batch: { size: 1, window: '0 seconds', partialResponses: true } },
  );

  queues.webhooks.live.subscribe(
    {
      handler: 'functions/src/webhooks-consumer.handler',
      runtime: 'nodejs24.x',
      memory: '512 MB',
      timeout: '1 minute', // An attempt takes up to ten seconds, and those of a batch go at once; the queue hides them for 2.
      environment: { ...environment, ...pricesOf(prices) },
      permissions: [
        { actions: ['s3:GetObject'], resources: objects('tenants/*', 'pictures/*', 'webhooks/*') },
        { actions: ['s3:PutObject'], resources: objects('tenants/*/deliveries/*/record.json', 'webhooks/*') },
        list,
        { actions: ['sqs:SendMessage'], resources: [queues.webhooks.live.arn] },
      ],
    },
    { batch: { size: 10, window: '0 seconds', partialResponses: true } },
  );

  new sst.aws.CronV2('Sweeper', {
    schedule: 'rate(5 minutes)',
    function: {
      handler: 'functions/src/sweeper.handler',
      runtime: 'nodejs24.x',
      memory: '1024 MB', // A busy day's audit is read whole.
      timeout: '4 minutes',
      environment,
      permissions: [
        { actions: ['s3:GetObject'], resources: objects('tenants/*', 'outbox/*', 'audit/*') },
        { actions: ['s3:PutObject'], resources: objects('audit/days/*') },
        { actions: ['s3:DeleteObject'], resources: objects('outbox/*', 'audit/entries/*') },
        list,
        { actions: ['sqs:SendMessage'], resources: everyQueue },
      ],
    },
  });
}
