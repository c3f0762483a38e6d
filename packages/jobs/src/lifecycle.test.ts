import { expect, test } from 'vitest';
import { memoryBucket } from './bucket/memory.ts';
import { createTraining } from './create.ts';
import { createFile } from './file.ts';
import { keys } from './keys.ts';
import { cancelJob, listJobs } from './lifecycle.ts';
import { memoryQueue } from './queue/memory.ts';
import { trainingRequestSchema, trainings } from './training.ts';

test('smoke', async () => {
  const bucket = memoryBucket();
  const queues = { trainings: memoryQueue(), images: memoryQueue() };
  const model = {
    name: 'm',
    object: 'model',
    family: 'sd1',
    resolution: 128,
    latent_factor: 8,
    default_steps: 20,
    default_guidance_scale: 5,
    default_sampler: 'ddim',
    files: [],
    license: 'MIT',
    description: '',
  };
  await bucket.put(keys.model('m'), new TextEncoder().encode(JSON.stringify(model)));
  const f = await createFile(bucket, 't', {
    name: 'a',
    content_type: 'image/png',
    size_bytes: 3,
    sha256: '039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81',
  });
  const r = await bucket.fetch(f.upload.url, { method: 'PUT', body: new Uint8Array([1, 2, 3]), headers: f.upload.headers });
  expect(r.status).toBe(200);
  const t = await createTraining(
    {
      bucket,
      queues,
      report: (e) => {
        throw e;
      },
    },
    't',
    trainingRequestSchema.parse({ model: 'm', name: 'x', files: [{ file_id: f.id, caption: 'a' }] }),
  );
  expect(t.status).toBe('queued');
  expect(queues.trainings.size()).toBe(1);
  expect((await cancelJob(bucket, trainings, 't', t.id)).status).toBe('canceled');
  expect((await listJobs(bucket, trainings, 't', { limit: 10 })).jobs.length).toBe(1);
});
