import { once } from 'node:events';
import { createServer } from 'node:http';
import { S3Client } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { fetchBucket } from './fetch.ts';
import { sdkBucket } from './sdk.ts';

test('tags travel with the object, in the one header that S3 reads them from', async () => {
  const seen: unknown[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers['x-amz-tagging']);
    request.resume().on('end', () => response.setHeader('etag', '"1"').end());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.number() }).parse(server.address());
  const endpoint = `http://127.0.0.1:${port}`;
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
  const client = new S3Client({ endpoint, region: 'eu-central-1', credentials, forcePathStyle: true });
  try {
    for (const bucket of [
      sdkBucket(client, 'bucket'),
      fetchBucket({ endpoint, region: 'eu-central-1', credentials: () => credentials }, 'bucket'),
    ]) {
      await bucket.put('a', new Uint8Array(1), { tags: { kind: 'picture', of: 'a & b' } });
      await bucket.put('b', new Uint8Array(1));
    }
  } finally {
    client.destroy();
    server.close();
  }
  expect(seen).toEqual(['kind=picture&of=a+%26+b', undefined, 'kind=picture&of=a+%26+b', undefined]);
});
