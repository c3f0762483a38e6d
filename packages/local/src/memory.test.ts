import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, expect, test } from 'vitest';
import { Bucket, clientOf } from './s3/test-s3.ts';
import { startProcess } from './test-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'memory-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Set OBJECT_MIB=2048 to see that it stays so. */
const size = Number(process.env.OBJECT_MIB ?? 300) * 1024 ** 2;

test('memory stays flat while a large object comes and goes', { timeout: 600_000 }, async () => {
  const server = await startProcess(folder);
  const client = clientOf(server.s3);
  const before = await server.peakMemory();

  const block = Buffer.alloc(1024 ** 2, 'a block');
  const md5 = createHash('md5');
  async function* blocks() {
    for (let at = 0; at < size; at += block.length) {
      md5.update(block);
      yield block;
    }
  }
  const { ETag } = await client.send(
    new PutObjectCommand({ Bucket, Key: 'large', Body: Readable.from(blocks()), ContentLength: size }),
  );
  expect(ETag).toBe(`"${md5.digest('hex')}"`);

  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: 'large' }));
  if (!(Body instanceof Readable)) throw new Error('the SDK gives another kind of stream');
  let received = 0;
  for await (const chunk of Body) received += chunk.length;
  expect(received).toBe(size);

  const grown = (await server.peakMemory()) - before;
  if (process.env.OBJECT_MIB)
    console.log(`peak ${Math.round(grown / 1024 ** 2)} MiB above ${Math.round(before / 1024 ** 2)} MiB`);
  expect(grown).toBeLessThan(128 * 1024 ** 2);
  await server.kill();
});
