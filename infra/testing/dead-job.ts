import { once } from 'node:events';
import { createServer } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { createJob, images, keys, newId, PreconditionFailed, readJob, settledImageRequestSchema } from '@loraloom/jobs';
import { memoryBucket } from '@loraloom/jobs/bucket/memory';
import { memoryQueues } from '@loraloom/jobs/queue/memory';
import { z } from 'zod';

const tenant = 'acme';

/** As much of an S3 as a function of dead letters talks to, with a job in it whose letter is dead, and one whose record is broken. */
export async function deadJob(bucketName: string) {
  const bucket = memoryBucket();
  const server = createServer(async (request, response) => {
    const key = decodeURIComponent(request.url ?? '').replace(`/${bucketName}/`, '');
    if (request.method === 'PUT') {
      const { 'if-match': ifMatch } = request.headers;
      const put = bucket.put(key, await buffer(request), ifMatch === undefined ? {} : { ifMatch });
      const status = await put.then(
        () => 200,
        (error) => (error instanceof PreconditionFailed ? 412 : 500),
      );
      return response.writeHead(status).end();
    }
    const found = await bucket.getBytes(key);
    if (!found) return response.writeHead(404).end();
    return response.writeHead(200, { etag: found.etag }).end(found.bytes);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.number() }).parse(server.address());

  const [id, broken] = [newId('image'), newId('image')];
  const settled = {
    model: 'm',
    prompt: 'p',
    width: 64,
    height: 64,
    steps: 1,
    guidance_scale: 1,
    sampler: 'ddim',
    seed: 1,
    loras: [],
  };
  const job = { tenant, id, request: settledImageRequestSchema.parse(settled), totalSteps: 1 };
  await createJob({ bucket, queues: memoryQueues() }, images, job, (error) => {
    throw error;
  });
  await bucket.put(keys.jobRecord('images', tenant, broken), new TextEncoder().encode('{}'));
  const letterOf = (of: string) => JSON.stringify({ kind: 'image', tenant, id: of });
  return {
    letter: letterOf(id),
    unreadable: letterOf(broken),
    endpoint: `http://127.0.0.1:${port}`,
    read: () => readJob(bucket, images, tenant, id),
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}
