import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { keys, type Model, putRecord } from '@loraloom/jobs';
import { memoryBucket } from '@loraloom/jobs/bucket/memory';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bucketModels, warmUp } from './models.ts';

const tiny = fileURLToPath(new URL('../../packages/engine/fixtures/sd-tiny/model/', import.meta.url));
const bucket = memoryBucket();
let modelsFolder: string;
let lines: Record<string, unknown>[];
let asked: number;

beforeEach(async () => {
  modelsFolder = await mkdtemp(join(tmpdir(), 'loraloom-models-'));
  lines = [];
  asked = 0;
  const paths = readdirSync(tiny, { recursive: true, encoding: 'utf8' }).filter((name) => /\.\w+$/.test(name));
  const files = paths.map((path) => {
    const bytes = readFileSync(join(tiny, path));
    return { path, bytes, size_bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  });
  for (const { path, bytes } of files) await bucket.put(keys.modelFile('tiny', path), bytes);
  const model: Model = {
    ...{ name: 'tiny', object: 'model', family: 'sd1', resolution: 32, latent_factor: 2, license: 'MIT', description: 'tests' },
    ...{ default_steps: 2, default_guidance_scale: 1, default_sampler: 'ddim' },
    files: files.map(({ bytes: _, ...file }) => file),
  };
  await putRecord(bucket, keys.model('tiny'), model);
});
afterEach(() => rm(modelsFolder, { recursive: true }));

const counting: typeof bucket.get = (key, options) => {
  asked++;
  return bucket.get(key, options);
};
/** Models of a worker that has just started on this machine. */
const newWorker = () => {
  const log = (line: Record<string, unknown>) => lines.push(line);
  return bucketModels({ bucket: { ...bucket, get: counting }, modelsFolder, provider: 'cpu', slots: 2, log });
};

test('jobs that ask for a model at once share one download; the next worker of the machine downloads and hashes nothing', async () => {
  const first = newWorker();
  const [a, b] = await Promise.all([first.open('tiny'), first.open('tiny')]);
  expect(a.pipeline).toBe(b.pipeline);
  const downloads = asked;
  expect(downloads).toBeGreaterThanOrEqual(a.model.files.length);
  expect(lines).toEqual([
    {
      level: 'info',
      message: 'model opened',
      model: 'tiny',
      fetch_seconds: expect.any(Number),
      open_seconds: expect.any(Number),
    },
  ]);
  await warmUp(a.batch, a.model);
  await first.close();

  const [kept] = (await readdir(modelsFolder)).filter((name) => name.endsWith('.sha256'));
  expect(await readFile(join(modelsFolder, kept ?? ''), 'utf8')).toBe(a.digest);
  // Another value shows where it is taken from; half a file, as after a crash, is not taken.
  for (const [written, read] of [
    ['e'.repeat(64), 'e'.repeat(64)],
    ['e'.repeat(20), a.digest],
  ] as const) {
    await writeFile(join(modelsFolder, kept ?? ''), written);
    const next = newWorker();
    expect((await next.open('tiny')).digest).toBe(read);
    await next.close();
  }
  expect(asked).toBe(downloads);
});

test('a file that is not what model.json says leaves nothing behind, and is asked for again', async () => {
  const key = keys.modelFile('tiny', 'unet/config.json');
  const right = (await bucket.getBytes(key))?.bytes ?? new Uint8Array();
  await bucket.put(key, right.toReversed());
  const models = newWorker();
  await expect(models.open('tiny')).rejects.toThrow('unet/config.json does not have the digest');
  expect(await readdir(modelsFolder)).toEqual([]);
  await bucket.put(key, right);
  expect((await models.open('tiny')).model.name).toBe('tiny');
  await models.close();
});
