import type { Stage } from './stage.ts';

type Origins = $util.Input<$util.Input<string>[]>;

/** The bucket that holds everything that lasts; who may touch which keys stands with those who do: api.ts, worker.ts. */
export function createBucket({ pictureDays, auditDays }: Stage, origins: Origins) {
  const bucket = new sst.aws.Bucket('Bucket', {
    // Uploads and downloads through presigned URLs; the headers of an upload are part of its signature.
    cors: {
      allowOrigins: origins,
      allowMethods: ['GET', 'PUT'],
      allowHeaders: ['content-type', 'x-amz-checksum-sha256', 'if-none-match', 'range'],
      exposeHeaders: ['ETag', 'Content-Range'],
      maxAge: '1 hour',
    },
    // The component would empty the bucket on removal in every stage.
    transform: { bucket: { forceDestroy: !$app.protect } },
  });
  new aws.s3.BucketLifecycleConfiguration('BucketLifecycle', {
    bucket: bucket.name,
    // Parts of an upload that was never completed are invisible, and paid for.
    rules: [
      {
        id: 'unfinished-uploads',
        status: 'Enabled',
        filter: { prefix: '' },
        abortIncompleteMultipartUpload: { daysAfterInitiation: 1 },
      },
      // Long enough for whoever repeats a request whose answer was lost.
      { id: 'idempotency', status: 'Enabled', filter: { prefix: 'idempotency/' }, expiration: { days: 7 } },
      { id: 'pictures', status: 'Enabled', filter: { prefix: 'pictures/' }, expiration: { days: pictureDays } },
      { id: 'audit', status: 'Enabled', filter: { prefix: 'audit/' }, expiration: { days: auditDays } },
      { id: 'paces', status: 'Enabled', filter: { prefix: 'paces/' }, expiration: { days: 1 } },
    ],
  });
  return bucket;
}
export type Bucket = ReturnType<typeof createBucket>;
