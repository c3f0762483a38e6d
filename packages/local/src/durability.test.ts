import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, NoSuchKey, PutObjectCommand } from '@aws-sdk/client-s3';
import { CreateQueueCommand, DeleteMessageCommand, ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, expect, test } from 'vitest';
import { startS3 } from './index.ts';
import { Bucket, clientOf as s3Client } from './s3/test-s3.ts';
import { clientOf as sqsClient } from './sqs/test-sqs.ts';
import { credentials, startProcess } from './test-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'durable-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A body that tells by itself whether it is whole: random bytes behind their digest. */
function newBody(): Buffer {
  const bytes = randomBytes(Math.floor(Math.random() ** 3 * 3_000_000));
  return Buffer.concat([createHash('sha256').update(bytes).digest(), bytes]);
}
const isWhole = (body: Uint8Array) => createHash('sha256').update(body.subarray(32)).digest().equals(body.subarray(0, 32));
const nameOf = (body: Uint8Array) => Buffer.from(body.subarray(0, 8)).toString('hex');

test('after kill -9 every acknowledged write is there, no other, and none in part', async () => {
  /** By key, what may be there: the last body acknowledged and the one under way since; `none`: no object. */
  const objects = new Map<string, Set<string>>();
  /** Bodies of messages: those that must be there, and those that may. */
  const messages = { sent: new Set<string>(), underWay: new Set<string>() };

  for (let round = 0; round < 5; round++) {
    const server = await startProcess(folder);
    const s3 = s3Client(server.s3);
    const sqs = sqsClient(server.sqs);
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'durable', Attributes: { VisibilityTimeout: '0' } }));

    // What the last round left, with nothing that nobody names.
    const listed = await s3.send(new ListObjectsV2Command({ Bucket }));
    expect(readdirSync(join(folder, 'objects')).length).toBe(listed.KeyCount);
    for (const [Key, possible] of objects) {
      const found = await s3.send(new GetObjectCommand({ Bucket, Key })).catch((error: unknown) => {
        if (error instanceof NoSuchKey) return undefined;
        throw error;
      });
      const body = await found?.Body?.transformToByteArray();
      if (body) expect(isWhole(body)).toBe(true);
      const name = body ? nameOf(body) : 'none';
      expect([...possible]).toContain(name);
      objects.set(Key, new Set([name]));
    }
    const left = new Set<string>();
    for (;;) {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 30 }),
      );
      if (Messages.length === 0) break;
      for (const { Body = '', ReceiptHandle } of Messages) {
        expect(left.has(Body)).toBe(false);
        left.add(Body);
        await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
      }
    }
    expect([...left]).toEqual(expect.arrayContaining([...messages.sent]));
    expect([...messages.sent, ...messages.underWay]).toEqual(expect.arrayContaining([...left]));
    messages.sent.clear();
    messages.underWay.clear();

    // Write until the server is gone.
    let killed = false;
    async function write(work: () => Promise<void>) {
      while (!killed) await work().catch((error: unknown) => expect([killed, error]).toEqual([true, expect.anything()]));
    }
    const writers = Array.from({ length: 4 }, (_, writer) => [
      write(async () => {
        const Key = `${writer}/${Math.floor(Math.random() * 3)}`;
        const possible = objects.get(Key) ?? new Set(['none']);
        objects.set(Key, possible);
        const body = Math.random() < 0.2 ? undefined : newBody();
        const name = body ? nameOf(body) : 'none';
        possible.add(name);
        if (body) await s3.send(new PutObjectCommand({ Bucket, Key, Body: body }));
        else await s3.send(new DeleteObjectCommand({ Bucket, Key }));
        objects.set(Key, new Set([name]));
      }),
      write(async () => {
        const body = randomBytes(8).toString('hex');
        messages.underWay.add(body);
        await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: body }));
        messages.underWay.delete(body);
        messages.sent.add(body);
      }),
    ]);
    await sleep(200 + Math.random() * 300);
    killed = true;
    await server.kill();
    await Promise.all(writers.flat());
    s3.destroy();
    sqs.destroy();
    expect(messages.sent.size).toBeGreaterThan(0);
  }
});

test('two servers do not share a folder', async () => {
  const first = await startS3({ folder: join(folder, 'shared'), credentials });
  await expect(startS3({ folder: join(folder, 'shared'), credentials })).rejects.toThrow('in use by another process');
  await first.close();
  const again = await startS3({ folder: join(folder, 'shared'), credentials });
  await again.close();
});
