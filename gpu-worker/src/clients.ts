import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { SQSClient, type SQSClientConfig } from '@aws-sdk/client-sqs';

/** An answer that never comes is an error, too: without a bound, one lost packet could hold a worker until somebody looks. */
const within = (seconds: number) => ({ connectionTimeout: 5000, requestTimeout: seconds * 1000, throwOnRequestTimeout: true });

/** S3 for a worker; uploading a checkpoint may take its time. */
export const openS3 = (config: S3ClientConfig) =>
  new S3Client({ requestHandler: within(120), ...(config.endpoint ? { forcePathStyle: true } : {}), ...config });

/** SQS for a worker, which waits for messages for up to twenty seconds. */
export const openSqs = (config: SQSClientConfig) => new SQSClient({ requestHandler: within(30), ...config });
