import { connect, LoraloomError } from '@loraloom/client';
import { createApiKey, createApp, newApiKey } from '@loraloom/functions';
import { beginAttempt, images, keys, putRecord, trainings, updateAttempt } from '@loraloom/jobs';
import { memoryBucket } from '@loraloom/jobs/bucket/memory';
import { memoryLimits } from '@loraloom/jobs/limits/memory';
import { memoryQueues } from '@loraloom/jobs/queue/memory';
import { expect, test } from 'vitest';
import { described as model } from './test-models.ts';

const pepper = 'a pepper of at least thirty-two characters';

/** All that is read of a picture before it is decoded: a PNG's signature, 128 × 128 pixels, a byte of its own, and its end. */
const pictureOf = (byte: number) =>
  new Uint8Array(
    Buffer.from(`89504e470d0a1a0a0000000d49484452000000800000008008020000004c5cf69c0${byte}0000000049454e44ae426082`, 'hex'),
  );

/** The client over the app itself, without a network; requests to the bucket go to the bucket. */
async function setUp() {
  const bucket = memoryBucket();
  const queues = memoryQueues();
  const app = createApp({ bucket, queues, limits: memoryLimits(), pepper, origins: [], log: () => undefined });
  const { key: apiKey } = await createApiKey(bucket, pepper, 'local', {
    name: null,
    scopes: ['images', 'trainings'],
    expires_at: null,
  });
  await putRecord(bucket, keys.model('emoji'), model);
  const send: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    return new URL(request.url).host === 'api.invalid' ? app.fetch(request) : bucket.fetch(request);
  };
  return { bucket, client: connect({ url: 'http://api.invalid', apiKey, fetch: send }), send };
}

test('the client against the app: upload, train, follow, generate, list, cancel', async () => {
  const { bucket, client, send } = await setUp();
  const uploads = [1, 2, 3].map((byte) =>
    client.files.upload(pictureOf(byte), { name: `${byte}.png`, contentType: 'image/png' }),
  );
  const files = await Promise.all(uploads);
  expect(await client.files.get(files[0]?.id ?? '')).toEqual(files[0]);

  const training = await client.trainings.create({
    model: 'emoji',
    name: 'style',
    files: files.map(({ id }) => ({ file_id: id, caption: 'red apple' })),
    steps: 2,
  });
  const begun = await beginAttempt(bucket, trainings, 'local', training.id);
  const seen: string[] = [];
  for await (const { status, progress } of client.trainings.follow(training, { firstPauseSeconds: 0.001 })) {
    seen.push(`${status} ${progress.step}/${progress.total_steps}`);
    const step = progress.step + 1;
    if (status === 'running') {
      await updateAttempt(bucket, trainings, 'local', begun, (job) => ({
        ...job,
        status: step > 2 ? 'failed' : 'running',
        progress: { step: Math.min(step, 2), total_steps: 2, loss: 0.5, seconds_left: 1 },
      }));
    }
  }
  expect(seen).toEqual(['queued 0/2', 'running 0/2', 'running 1/2', 'running 2/2', 'failed 2/2']);
  expect((await client.trainings.list()).data.map(({ id }) => id)).toEqual([training.id]);

  const image = await client.images.create({ model: 'emoji', prompt: 'red apple' });
  const attempt = await beginAttempt(bucket, images, 'local', image.id);
  const key = keys.picture('local', image.id, 0);
  await bucket.put(key, new Uint8Array([9]), { contentType: 'image/png' });
  const { n: _, image: __, width, height, ...asked } = attempt.request;
  const receipt = { ...asked, width, height, model_digest: '', engine_version: '', loras: [] };
  const picture = { index: 0, seed: asked.seed, width, height, content_type: 'image/png', sha256: '', receipt, key } as const;
  await updateAttempt(bucket, images, 'local', attempt, (job) => ({
    ...job,
    status: 'succeeded',
    output: { images: [picture] },
  }));
  const finished = await client.images.wait(image, { firstPauseSeconds: 0.001 });
  const url = finished.output?.images[0]?.url ?? '';
  expect(new Uint8Array(await (await send(url)).arrayBuffer())).toEqual(new Uint8Array([9]));

  const queued = await client.images.create({ model: 'emoji', prompt: 'green pear' });
  expect(await client.images.cancel(queued.id)).toMatchObject({ status: 'canceled' });
  expect((await client.images.list({ limit: 1 })).data.length).toBe(1);
  expect((await client.models.list()).data).toEqual([model]);
  expect((await client.loras.list()).data).toEqual([]);
});

test('the app’s errors arrive typed', async () => {
  const { client, send } = await setUp();
  const refused = client.images.create({ model: 'emoji', prompt: 'x', loras: [{ name: 'none' }] });
  await expect(refused).rejects.toBeInstanceOf(LoraloomError);
  await expect(refused).rejects.toMatchObject({ status: 422, code: 'unknown_lora', param: 'loras.0.name' });
  await expect(client.loras.get('none')).rejects.toMatchObject({ status: 404, code: 'not_found' });
  const stranger = connect({ url: 'http://api.invalid', apiKey: await newApiKey(), fetch: send });
  await expect(stranger.models.list()).rejects.toMatchObject({ status: 401, code: 'unauthorized' });
});
