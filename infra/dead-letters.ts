import type { Bucket } from './bucket.ts';
import type { Queues } from './queues.ts';

/** Marks jobs failed whose messages were given up on. (What nobody could do of batches and webhooks waits for an operator.) */
export function createDeadLetters({ bucket, queues }: { bucket: Bucket; queues: Queues }) {
  for (const kind of ['trainings', 'images'] as const) {
    queues[kind].dead.subscribe(
      {
        handler: 'functions/src/dead-letters.handler',
        runtime: 'nodejs24.x',
        memory: '256 MB',
        timeout: '20 seconds', // The queue hides what it has delivered for 30.
        environment: { BUCKET: bucket.name },
        permissions: [
          {
            actions: ['s3:GetObject', 's3:PutObject'],
            resources: [$interpolate`${bucket.arn}/tenants/*/${kind}/*/record.json`],
          },
          // An end that a webhook waits for is noted before it is written.
          { actions: ['s3:PutObject'], resources: [$interpolate`${bucket.arn}/outbox/webhooks/*`] },
          // Without it S3 answers 403, not 404, for an object that is not there.
          { actions: ['s3:ListBucket'], resources: [bucket.arn] },
        ],
      },
      { batch: { partialResponses: true } },
    );
  }
}
