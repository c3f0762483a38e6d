import { createHash } from 'node:crypto';
import { connect, newImageId } from '@loraloom/client';
import { createApiKey, createApp, deliver } from '@loraloom/functions';
import {
  batchRecordSchema,
  createRecord,
  idTime,
  imageIdSchema,
  keys,
  type LoraVersion,
  newId,
  publishLora,
  updateRecord,
} from '@loraloom/jobs';
import { memoryBucket } from '@loraloom/jobs/bucket/memory';
import { memoryLimits } from '@loraloom/jobs/limits/memory';
import { memoryQueues } from '@loraloom/jobs/queue/memory';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { described as model } from './test-models.ts';

const pepper = 'a pepper of at least thirty-two characters';
const weights = new Uint8Array([1, 2, 3]);
const version: LoraVersion = {
  name: 'style',
  object: 'lora',
  lora_id: newId('lora'),
  model: 'emoji',
  rank: 4,
  alpha: 4,
  trigger_words: [],
  license: null,
  training_id: null,
  size_bytes: weights.length,
  sha256: createHash('sha256').update(weights).digest('hex'),
  diffusers: null,
  created_at: new Date().toISOString(),
};
/** All that is read of a PNG before it is decoded. */
const pngOf = (byte: number) =>
  new Uint8Array(
    Buffer.from(`89504e470d0a1a0a0000000d49484452000000800000008008020000004c5cf69c0${byte}0000000049454e44ae426082`, 'hex'),
  );

/** These are for those who have another client, or none. */
const withoutCall = ['GET /healthz', 'POST /generate', 'POST /v1/images/generations'];

test('there is a call for every route, and each does what it says', async () => {
  const bucket = memoryBucket();
  const queues = memoryQueues();
  const app = createApp({ bucket, queues, limits: memoryLimits(), pepper, origins: [], log: () => undefined });
  const owner = { name: null, scopes: ['images' as const, 'trainings' as const, 'admin' as const], expires_at: null };
  const { key: apiKey } = await createApiKey(bucket, pepper, 'local', owner);
  await createRecord(bucket, keys.model('emoji'), model);
  await bucket.put(keys.loraWeights('local', 'style', version.lora_id), weights);
  await publishLora(bucket, 'local', version);
  const called: string[] = [];
  const send: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    const { host, pathname } = new URL(request.url);
    if (host !== 'api.invalid') return bucket.fetch(request);
    called.push(`${request.method} ${pathname}`);
    return app.fetch(request);
  };
  const {
    files,
    trainings,
    images,
    batches,
    loras,
    models,
    keys: apiKeys,
    webhooks,
    usage,
    audit,
    download,
  } = connect({
    url: 'http://api.invalid',
    apiKey,
    fetch: send,
  });

  expect((await models.list()).data).toEqual([model]);

  const picture = await files.upload(pngOf(1), { name: 'a.png' });
  expect(picture).toMatchObject({ content_type: 'image/png', uploaded: true });
  expect(await files.get(picture.id)).toEqual(picture);
  const other = await files.upload(new Blob(['no LoRA']), { name: 'a.safetensors' });
  expect((await files.list({ limit: 1 })).data.map(({ id }) => id)).toEqual([other.id]);

  const wanted = {
    model: 'emoji',
    name: 'mine',
    files: [{ file_id: picture.id, caption: 'apple' }],
    epochs: 30,
    batch_size: 1,
  };
  expect(await trainings.check(wanted)).toMatchObject({ request: { steps: 30 }, estimate: { steps: 30 } });
  const training = await trainings.create({ ...wanted, files: [{ picture: pngOf(2), caption: 'pear' }] });
  expect((await trainings.list()).data).toEqual([training]);
  expect(await trainings.get(training.id)).toEqual(training);
  expect(await trainings.events(training.id)).toEqual({ object: 'list', data: [], next: null });
  const further = await trainings.continue(training.id, { name: 'more' });
  expect(further.request).toMatchObject({ name: 'more', steps: 30, continue_from: { training_id: training.id } });
  expect(further.request.epochs).toBeUndefined();
  expect(await trainings.cancel(training.id)).toMatchObject({ status: 'canceled' });

  const request = { model: 'emoji', prompt: 'apple', loras: [{ name: 'style' }] };
  const image = await images.create(request);
  const id = newImageId();
  expect(imageIdSchema.parse(id)).toBe(id);
  expect(Math.abs(idTime(id) - Date.now())).toBeLessThan(60_000);
  const put = await images.put(id, request);
  expect(await images.put(id, request)).toMatchObject({ id, created_at: put.created_at });
  expect((await images.list()).data.map((one) => one.id).sort()).toEqual([image.id, id].sort());
  expect(await images.get(id, { responseFormat: 'b64_json' })).toMatchObject({ id, status: 'queued' });
  expect(await images.cancel(id)).toMatchObject({ status: 'canceled' });

  expect((await loras.list()).data).toMatchObject([{ name: 'style', lora_id: version.lora_id }]);
  expect(await loras.get(`style@${version.lora_id}`)).toMatchObject({ sha256: version.sha256 });
  expect((await loras.versions('style')).data).toEqual([version]);
  expect(await loras.update('style', { cover: { file_id: picture.id } })).toMatchObject({ cover: { file_id: picture.id } });
  const cover = (await loras.get('style')).cover_url ?? '';
  expect(new Uint8Array(await (await download(cover)).arrayBuffer())).toEqual(pngOf(1));
  expect(await loras.share('style', 'partner')).toMatchObject({ shared_with: ['partner'] });
  expect(await loras.unshare('style', 'partner')).toMatchObject({ shared_with: [] });
  expect(new Uint8Array(await (await loras.download('style')).arrayBuffer())).toEqual(weights);
  expect(await loras.inspect(other.id)).toMatchObject({ problems: [{ code: 'bad_safetensors' }] });
  const imported = loras.import({ name: 'style', model: 'emoji', file_id: other.id });
  await expect(imported).rejects.toMatchObject({ status: 422, code: 'bad_safetensors', param: 'file_id' });
  expect(await loras.delete('style')).toMatchObject({ deleted: true });
  expect(await files.delete(other.id)).toEqual({ id: other.id, object: 'file', deleted: true });

  const lines = await files.upload(new Blob([JSON.stringify({ custom_id: '1', ...request, loras: [] })]), {
    name: 'lines.jsonl',
    contentType: 'application/jsonl',
  });
  const webhook_url = 'https://shop.example/hooks';
  expect(await batches.estimate({ input_file_id: lines.id })).toMatchObject({ lines: 1, images: 1, invalid_lines: 0 });
  const batch = await batches.create({ input_file_id: lines.id, webhook_url });
  expect((await batches.list()).data).toEqual([batch]);
  expect(await batches.cancel(batch.id)).toMatchObject({ cancel_requested: true });
  const failed = { status: 'failed' as const, request_counts: { ...batch.request_counts, total: 1, failed: 1 } };
  const finished_at = new Date().toISOString();
  const ended = await updateRecord(bucket, keys.batchRecord('local', batch.id), batchRecordSchema, (record) => {
    return { ...record, ...failed, finished_at };
  });
  expect(await batches.wait(batch)).toMatchObject(failed);
  expect(await batches.retry(batch.id)).toMatchObject({ status: 'validating', retry_of: batch.id });
  await deliver(
    { bucket, queues, post: async () => ({ status: 204 }) },
    { kind: 'end', tenant: 'local', id: ended.id, attempt: 0 },
  );
  const [delivery] = (await webhooks.deliveries()).data;
  expect(delivery).toMatchObject({ type: 'batch.failed', subject_id: batch.id, url: webhook_url, status: 'delivered' });
  expect(await webhooks.delivery(delivery?.id ?? '')).toEqual(delivery);
  expect(await webhooks.replay(delivery?.id ?? '')).toMatchObject({ status: 'pending' });
  const { secret } = await webhooks.secret();
  expect(await webhooks.rotateSecret()).toMatchObject({ previous: { secret } });

  const shop = await apiKeys.create({ name: 'shop', scopes: ['images'] });
  const { key: _, ...shown } = shop;
  expect((await apiKeys.list()).data).toContainEqual(shown);
  expect(await usage()).toMatchObject({ object: 'usage', used: { pictures: 2, training_steps: 60 } });
  const { created_at = '' } = (await audit()).data[0] ?? {};
  expect((await audit({ day: created_at.slice(0, 10), limit: 1 })).data).toMatchObject([{ path: '/v1/keys', status: 201 }]);
  const backend = connect({ url: 'http://api.invalid', apiKey: shop.key, fetch: send });
  const minted = await backend.tokens.create({ scopes: ['images'], minutes: 5 });
  let asked = 0;
  const phone = connect({
    url: 'http://api.invalid',
    fetch: send,
    apiKey: async () => {
      asked++;
      return minted.token;
    },
  });
  const finished = images.cancel((await phone.images.create({ model: 'emoji', prompt: 'apple' })).id);
  expect(await phone.images.get((await finished).id)).toMatchObject({ status: 'canceled' });
  expect(asked).toBe(2);
  await expect(phone.images.list()).rejects.toMatchObject({ status: 403 });
  expect(await apiKeys.revoke(shop.id)).toMatchObject({ revoked: true });
  await expect(phone.models.list()).rejects.toMatchObject({ status: 401 });

  const { paths } = z
    .object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) })
    .parse(await (await app.request('/openapi.json')).json());
  const uncalled = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).flatMap((method) => {
      const route = new RegExp(`^${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`);
      return called.some((one) => route.test(one)) ? [] : [`${method.toUpperCase()} ${path}`];
    }),
  );
  expect(uncalled.sort()).toEqual(withoutCall);
});
