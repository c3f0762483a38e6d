import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SQSClient, type SQSClientConfig, SQSServiceException } from '@aws-sdk/client-sqs';
import { startSqs } from './server.ts';

export const credentials = { accessKeyId: 'LOCALKEY', secretAccessKey: 'local/secret+key' };

/** A server on a folder of its own, and the AWS SDK's client of it. */
export async function testSqs() {
  const folder = mkdtempSync(join(tmpdir(), 'sqs-'));
  const server = await startSqs({ folder, credentials });
  return {
    folder,
    url: server.url,
    client: (config: SQSClientConfig = {}) => clientOf(server.url, config),
    async close() {
      await server.close();
      rmSync(folder, { recursive: true });
    },
  };
}

export function clientOf(endpoint: string, config: SQSClientConfig = {}) {
  return new SQSClient({ endpoint, region: 'eu-central-1', credentials, maxAttempts: 1, ...config });
}

/** How a call fails: `400 QueueDoesNotExist`. */
export async function failure(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (error instanceof SQSServiceException) return `${error.$metadata.httpStatusCode} ${error.name}`;
    throw error;
  }
  return 'it did not fail';
}
