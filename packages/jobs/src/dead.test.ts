import { expect, test } from 'vitest';
import { beginAttempt } from './attempt.ts';
import { memoryBucket } from './bucket/memory.ts';
import { createImage } from './create.ts';
import { buryJob } from './dead.ts';
import { imageRequestSchema, images } from './image.ts';
import { keys } from './keys.ts';
import { cancelJob, readJob } from './lifecycle.ts';
import { memoryQueues } from './queue/memory.ts';

const tenant = 'acme';

/** A bucket with one image job that a worker has begun, and its message. */
async function begun() {
  const bucket = memoryBucket();
  const queues = memoryQueues();
  const model = {
    name: 'm',
    object: 'model',
    family: 'sd1',
    resolution: 64,
    latent_factor: 8,
    default_steps: 1,
    default_guidance_scale: 1,
    default_sampler: 'ddim',
    files: [],
    license: 'MIT',
    description: '',
  };
  await bucket.put(keys.model('m'), new TextEncoder().encode(JSON.stringify(model)));
  const { id } = await createImage(
    { bucket, queues, report: () => undefined },
    tenant,
    imageRequestSchema.parse({ model: 'm', prompt: 'p' }),
  );
  await beginAttempt(bucket, images, tenant, id);
  return { bucket, id, body: JSON.stringify({ kind: 'image', tenant, id }), read: () => readJob(bucket, images, tenant, id) };
}

test('a job that nobody could finish has failed, with the reason, once', async () => {
  const { bucket, body, read } = await begun();
  await buryJob(bucket, body);
  const buried = await read();
  expect(buried).toMatchObject({ status: 'failed', attempts: 1, error: { code: 'worker_failed', param: null } });
  expect(buried?.finished_at).not.toBeNull();
  await buryJob(bucket, body);
  expect(await read()).toEqual(buried);
});

test('a job that was to be canceled is canceled, not failed', async () => {
  const { bucket, id, body, read } = await begun();
  await cancelJob(bucket, images, tenant, id);
  await buryJob(bucket, body);
  expect(await read()).toMatchObject({ status: 'canceled', error: null });
});

test('a message without a record has nothing left to do; one that is no job message is told apart', async () => {
  const bucket = memoryBucket();
  const message = { kind: 'training', tenant, id: 'trn_01kb0000000000000000000000' };
  expect(await buryJob(bucket, JSON.stringify(message))).toEqual(message);
  for (const body of ['{', '[]', '{"kind":"image","tenant":"../x","id":"img_1"}'])
    expect(await buryJob(bucket, body)).toBeUndefined();
});

test('a bucket out of reach is an error: the letter must stay', async () => {
  const { bucket, body } = await begun();
  const broken = { ...bucket, put: () => Promise.reject(new Error('no network')) };
  await expect(buryJob(broken, body)).rejects.toThrow('no network');
});
