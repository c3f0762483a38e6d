import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { S3Client } from '@aws-sdk/client-s3';
import { ChangeMessageVisibilityCommand, GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { keys } from '@loraloom/jobs';
import { sdkBucket } from '@loraloom/jobs/bucket/sdk';
import { createQueue, openLimits, startS3, startSqs } from '@loraloom/local';
import { openWatch } from './watch.ts';

export const credentials = { accessKeyId: 'DRILL', secretAccessKey: 'drill-secret' };
export const region = 'us-east-1';
export const bucketName = 'loraloom';

const fullDisks = new Set<string>();
const { open } = fs;

/** From now on a file of a folder in `fullDisks` gets half of its first piece, and then there is no space left. */
function letDisksBeFull(): void {
  fs.open = async (path, flags, mode) => {
    const handle = await open(path, flags, mode);
    if (flags !== 'wx' || ![...fullDisks].some((folder) => String(path).startsWith(folder))) return handle;
    handle.writeFile = async () => {
      await handle.write(Buffer.alloc(10));
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    };
    return handle;
  };
  syncBuiltinESMExports();
}
letDisksBeFull();

/** What outlives every program: the embedded S3 and SQS over one folder, and what is known of all that was written. */
export type World = Awaited<ReturnType<typeof openWorld>>;

export async function openWorld(folder: string) {
  const start = {
    s3: (port: number) => startS3({ folder: join(folder, 's3'), credentials, port }),
    sqs: (port: number) => startSqs({ folder: join(folder, 'sqs'), credentials, port }),
  };
  const s3 = await start.s3(0);
  const sqs = await start.sqs(0);
  s3.createBucket(bucketName);
  const up: Partial<Record<'s3' | 'sqs', { url: string; close(): Promise<void> }>> = { s3, sqs };
  const s3Client = new S3Client({ region, endpoint: s3.url, forcePathStyle: true, credentials });
  const sqsClient = new SQSClient({ region, endpoint: sqs.url, credentials });
  const queues = {
    trainings: await createQueue(sqsClient, 'trainings'),
    images: await createQueue(sqsClient, 'images'),
    batches: await createQueue(sqsClient, 'batches'),
    webhooks: await createQueue(sqsClient, 'webhooks'),
  };
  const bucket = sdkBucket(s3Client, bucketName);
  const limits = openLimits(join(folder, 'limits.sqlite'));
  const watch = openWatch(({ kind, tenant, id }) => keys.jobRecord(kind === 'training' ? 'trainings' : 'images', tenant, id));

  return {
    folder,
    watch,
    queues,
    limits,
    /** Past all faults. */
    bucket,
    at: (service: 's3' | 'sqs') => up[service]?.url,

    /** Ends a service and starts it again, over the same folder, after a while. */
    async restart(service: 's3' | 'sqs', down: Promise<unknown>): Promise<void> {
      const running = up[service];
      if (!running) return;
      delete up[service];
      await running.close();
      await down;
      up[service] = await start[service](Number(new URL(running.url).port));
    },

    async fillDisk(until: Promise<unknown>): Promise<void> {
      fullDisks.add(folder);
      await until;
      fullDisks.delete(folder);
    },

    async read(key: string): Promise<{ etag: string; text: string } | undefined> {
      for (;;) {
        try {
          const found = await bucket.getBytes(key);
          return found && { etag: found.etag, text: new TextDecoder().decode(found.bytes) };
        } catch {
          await sleep(500);
        }
      }
    },

    async expire(queueUrl: string, receipt: string): Promise<void> {
      const command = new ChangeMessageVisibilityCommand({ QueueUrl: queueUrl, ReceiptHandle: receipt, VisibilityTimeout: 0 });
      await sqsClient.send(command).catch(() => undefined);
    },

    /** Messages in all queues, hidden ones too, and the dead letters that somebody reads. */
    async waiting(): Promise<number> {
      const { trainings, images } = queues;
      const urls = [...Object.values(queues).map(({ url }) => url), trainings.deadUrl, images.deadUrl];
      const names = [
        'ApproximateNumberOfMessages',
        'ApproximateNumberOfMessagesNotVisible',
        'ApproximateNumberOfMessagesDelayed',
      ] as const;
      const counts = await Promise.all(
        urls.map(async (QueueUrl) => {
          const { Attributes = {} } = await sqsClient.send(
            new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...names] }),
          );
          return names.reduce((sum, name) => sum + Number(Attributes[name] ?? 0), 0);
        }),
      );
      return counts.reduce((sum, count) => sum + count, 0);
    },

    async close(): Promise<void> {
      s3Client.destroy();
      sqsClient.destroy();
      await Promise.all([up.s3?.close(), up.sqs?.close()]);
      limits.end();
    },
  };
}
