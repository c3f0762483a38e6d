import { CreateQueueCommand, SendMessageBatchCommand } from '@aws-sdk/client-sqs';
import { consume } from '@loraloom/gpu-worker';
import { newId } from '@loraloom/jobs';
import { memoryBucket } from '@loraloom/jobs/bucket/memory';
import { memoryQueues } from '@loraloom/jobs/queue/memory';
import { sdkQueue } from '@loraloom/jobs/queue/sdk';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { testSqs } from './sqs/test-sqs.ts';

let sqs: Awaited<ReturnType<typeof testSqs>>;
beforeAll(async () => {
  sqs = await testSqs();
});
afterAll(() => sqs.close());

const slots = 8;
const message = (tenant: string, id: string) => JSON.stringify({ kind: 'image', tenant, id });

test('a tenant’s burst of 5,000 pictures delays another’s single one by no more than the step that is being made', async () => {
  const client = sqs.client();
  const { QueueUrl = '' } = await client.send(new CreateQueueCommand({ QueueName: 'images' }));
  for (let sent = 0; sent < 5000; sent += 10) {
    const Entries = Array.from({ length: 10 }, (_, i) => {
      return { Id: `${i}`, MessageBody: message('busy', newId('image')), MessageGroupId: 'busy' };
    });
    await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
  }

  const queue = sdkQueue(client, QueueUrl);
  const started: string[] = [];
  const running = new Map<string, () => void>();
  /** Ends a batch step: all that is being made is done. */
  const step = async () => {
    const before = started.length;
    for (const done of running.values()) done();
    await vi.waitFor(() => expect(started.length).toBe(before + slots), { timeout: 10_000, interval: 5 });
  };
  const stop = new AbortController();
  const queues = { ...memoryQueues(), images: queue };
  const times = { visibilitySeconds: 60, maxVisibilitySeconds: 41_400, graceSeconds: 60 };
  const services = { bucket: memoryBucket(), queues, ...times, log: () => undefined };
  const handler = async ({ tenant, id }: { tenant: string; id: string }) => {
    started.push(`${tenant} ${id}`);
    await new Promise<void>((resolve) => running.set(id, resolve));
    running.delete(id);
  };
  const working = consume(services, [{ queue: 'images', handler, atOnce: slots }], stop.signal);
  await vi.waitFor(() => expect(started.length).toBe(slots), { timeout: 10_000, interval: 5 });
  for (let i = 0; i < 3; i++) await step();

  const id = newId('image');
  await queue.send(message('single', id), { group: 'single' });
  const before = started.length;
  await step();
  // The first of all that begin once the step is over.
  expect(started.slice(before)[0]).toBe(`single ${id}`);
  expect(started.filter((job) => job.startsWith('busy')).length).toBe(started.length - 1);
  stop.abort();
  for (const done of running.values()) done();
  await working;
}, 60_000);
