import { mkdtempSync, rmSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Client, type S3ClientConfig, S3ServiceException } from '@aws-sdk/client-s3';
import { startS3 } from './server.ts';

export const credentials = { accessKeyId: 'LOCALKEY', secretAccessKey: 'local/secret+key' };
export const Bucket = 'loom';

/** A server on a folder of its own with one bucket, and the AWS SDK's client of it. */
export async function testS3() {
  const folder = mkdtempSync(join(tmpdir(), 's3-'));
  const server = await startS3({ folder, credentials });
  server.createBucket(Bucket);
  return {
    folder,
    url: server.url,
    client: (config: S3ClientConfig = {}) => clientOf(server.url, config),
    async close() {
      await server.close();
      rmSync(folder, { recursive: true });
    },
  };
}

export function clientOf(endpoint: string, config: S3ClientConfig = {}) {
  return new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials, maxAttempts: 1, ...config });
}

/** How a call fails: `412 PreconditionFailed`. */
export async function failure(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (error instanceof S3ServiceException) return `${error.$metadata.httpStatusCode} ${error.name}`;
    throw error;
  }
  return 'it did not fail';
}

export type Answer = { status: number; headers: IncomingHttpHeaders; text: string };

/** Sends a request as it is: `fetch` would tidy up the path, and add headers. */
export function raw(
  url: string,
  options: { method?: string; path?: string; headers?: Record<string, string>; body?: string | Uint8Array } = {},
): Promise<Answer> {
  const { method = 'GET', path, headers = {}, body } = options;
  const { hostname, port, pathname, search } = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, method, path: path ?? pathname + search, headers }, async (answer) => {
      const chunks: Buffer[] = [];
      for await (const chunk of answer) chunks.push(chunk);
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text: Buffer.concat(chunks).toString() });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** The `<Code>` of an error answer. */
export function codeOf({ status, text }: Answer): string {
  return `${status} ${/<Code>(.*?)<\/Code>/.exec(text)?.[1]}`;
}
