import { createHash, randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { S3Client } from '@aws-sdk/client-s3';
import { download } from '@loraloom/gpu-worker/download';
import { sdkBucket } from '@loraloom/jobs/bucket/sdk';
import { z } from 'zod';
import { credentials, startProcess } from '../src/test-process.ts';

/*
 * How fast a model comes out of a bucket: one stream against several ranges at once, both verified by digest, from the local S3 in
 * a process of its own. Each connection is held to so little that the network is what is waited for, as it is with S3, where a
 * stream brings tens of megabytes a second and a GPU machine's network takes over a thousand; then without a limit, for the work.
 */
const sizeBytes = 64 * 2 ** 20;
const perConnection = 4e6; // bytes a second

/** Passes connections on to `port`, what comes back no faster than so many bytes a second for each. */
function throttle(port: number, bytesPerSecond: number) {
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    const begun = performance.now();
    let passed = 0;
    const paced = new Transform({
      async transform(chunk: Buffer, _, done) {
        passed += chunk.length;
        const early = begun + (passed / bytesPerSecond) * 1000 - performance.now();
        if (early > 2) await sleep(early);
        done(null, chunk);
      },
    });
    pipeline(client, upstream).catch(() => client.destroy());
    pipeline(upstream, paced, client).catch(() => upstream.destroy());
  });
  return new Promise<{ port: number; close: () => void }>((resolve) =>
    server.listen(0, '127.0.0.1', () => {
      const { port } = z.object({ port: z.number() }).parse(server.address());
      resolve({ port, close: () => server.close() });
    }),
  );
}

const folder = await mkdtemp(join(tmpdir(), 'bench-download-'));
const s3 = await startProcess(folder);
const bucketAt = (endpoint: string) =>
  sdkBucket(new S3Client({ region: 'us-east-1', endpoint, forcePathStyle: true, credentials }), 'loom');
const bytes = new Uint8Array(randomBytes(sizeBytes));
await bucketAt(s3.s3).put('model', bytes);
const sha256 = createHash('sha256').update(bytes).digest('hex');

const single = async (endpoint: string, target: string) => {
  const found = await bucketAt(endpoint).get('model');
  if (!found) throw new Error('the object is gone');
  const hash = createHash('sha256');
  const hashing = new Transform({
    transform(chunk: Buffer, _, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  await pipeline(found.body, hashing, createWriteStream(target));
  if (hash.digest('hex') !== sha256) throw new Error('another digest');
};
const ranges = (endpoint: string, target: string) => download(bucketAt(endpoint), [{ key: 'model', target, sizeBytes, sha256 }]);

const slow = await throttle(Number(new URL(s3.s3).port), perConnection);
try {
  console.log(`${sizeBytes / 2 ** 20} MiB, ${cpus().length} cores of ${cpus()[0]?.model}; medians of three, in turns`);
  for (const [network, endpoint] of [
    [`${perConnection / 1e6} MB/s a connection`, `http://127.0.0.1:${slow.port}`],
    ['loopback', s3.s3],
  ] as const) {
    const taken: Record<string, { seconds: number; cpu: number }[]> = { 'one stream': [], '16 ranges': [] };
    for (let round = 0; round < 3; round++) {
      for (const [name, way] of [
        ['one stream', single],
        ['16 ranges', ranges],
      ] as const) {
        const target = join(folder, `${name}-${round}`);
        const [begun, before] = [performance.now(), process.cpuUsage()];
        await way(endpoint, target);
        const { user, system } = process.cpuUsage(before);
        taken[name]?.push({ seconds: (performance.now() - begun) / 1000, cpu: (user + system) / 1e6 });
        await rm(target);
      }
    }
    const median = (numbers: number[]) => numbers.toSorted((a, b) => a - b)[1] ?? 0;
    for (const [name, rounds] of Object.entries(taken)) {
      const seconds = median(rounds.map((round) => round.seconds));
      const cpu = median(rounds.map((round) => round.cpu)) * (2 ** 30 / sizeBytes);
      const rate = Math.round(sizeBytes / seconds / 1e6);
      console.log(`${network}: ${name} ${seconds.toFixed(2)} s, ${rate} MB/s, ${cpu.toFixed(1)} s of processor a GiB`);
    }
  }
} finally {
  slow.close();
  await s3.kill();
  await rm(folder, { recursive: true });
}
process.exit();
