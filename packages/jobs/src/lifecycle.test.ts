import { createHash } from 'node:crypto';
import { beforeEach, expect, test, vi } from 'vitest';
import { AttemptLost, beginAttempt, runMillisecondsLeft, updateAttempt } from './attempt.ts';
import { memoryBucket } from './bucket/memory.ts';
import { createImage, createTraining } from './create.ts';
import { createFile } from './file.ts';
import { idSeed, newId } from './ids.ts';
import { type ImageRequestInput, imageRequestSchema, images } from './image.ts';
import { keys } from './keys.ts';
import { cancelJob, createJob, listJobs, readJob } from './lifecycle.ts';
import type { LoraVersion } from './lora.ts';
import type { Model } from './model.ts';
import { sweepOutbox } from './outbox.ts';
import { memoryQueue, memoryQueues } from './queue/memory.ts';
import { NoSuchRecord, putRecord } from './record.ts';
import { publishLora } from './registry.ts';
import { trainings } from './training.ts';
import { type TrainingRequestInput, trainingRequestSchema } from './training-request.ts';

const model: Model = {
  name: 'emoji',
  object: 'model',
  family: 'sd1',
  resolution: 128,
  latent_factor: 8,
  default_steps: 25,
  default_guidance_scale: 4,
  default_sampler: 'euler',
  files: [],
  license: 'MIT',
  description: '',
};
const lora: LoraVersion = {
  name: 'style',
  object: 'lora',
  lora_id: newId('lora'),
  model: 'emoji',
  rank: 4,
  alpha: 4,
  trigger_words: [],
  license: null,
  training_id: null,
  diffusers: null,
  size_bytes: 1,
  sha256: '',
  created_at: '2026-01-01T00:00:00.000Z',
};
/** All that is read of a picture before it is decoded: a PNG's signature, 128 × 128 pixels, and its end. */
const picture = new Uint8Array(
  Buffer.from('89504e470d0a1a0a' + '0000000d49484452000000800000008008020000004c5cf69c' + '0000000049454e44ae426082', 'hex'),
);
const sha256 = createHash('sha256').update(picture).digest('hex');

const fresh = () => {
  const bucket = memoryBucket();
  return { bucket, queues: memoryQueues(), report: vi.fn() };
};
let services = fresh();
beforeEach(async () => {
  services = fresh();
  await putRecord(services.bucket, keys.model('emoji'), model);
  await publishLora(services.bucket, 't', lora);
});

const imageOf = (request: Partial<ImageRequestInput> = {}) =>
  imageRequestSchema.parse({ model: 'emoji', prompt: 'red apple', ...request });

async function uploaded(tenant: string) {
  const { bucket } = services;
  const file = await createFile(bucket, tenant, { name: 'a.png', content_type: 'image/png', size_bytes: picture.length, sha256 });
  await bucket.fetch(file.upload.url, { method: 'PUT', body: picture, headers: file.upload.headers });
  return file.id;
}

const trainingOf = (...files: string[]) =>
  trainingRequestSchema.parse({ model: 'emoji', name: 'style', files: files.map((file_id) => ({ file_id, caption: 'a' })) });

test('a job that is not admitted leaves nothing; one whose id was taken takes its admission back', async () => {
  const { bucket, queues } = services;
  const asked: object[] = [];
  const refuse = async (job: object) => {
    asked.push(job);
    throw new Error('no more');
  };
  const id = newId('image');
  await expect(createImage({ ...services, admit: refuse }, 't', imageOf(), id)).rejects.toThrow('no more');
  expect(asked).toMatchObject([{ kind: 'image', tenant: 't', id, request: { prompt: 'red apple', n: 1, steps: 25 } }]);
  expect([(await bucket.list('tenants/t/images/')).keys, (await bucket.list('outbox/')).keys, queues.images.size()]).toEqual([
    [],
    [],
    0,
  ]);
  // What cannot be is not even asked about.
  await expect(createImage({ ...services, admit: refuse }, 't', imageOf({ model: 'none' }))).rejects.toThrow(/no model/);
  expect(asked.length).toBe(1);

  const withdrawn = vi.fn(async () => undefined);
  const admit = async () => withdrawn;
  await createImage({ ...services, admit }, 't', imageOf(), id);
  await createImage({ ...services, admit }, 't', imageOf(), id);
  expect(withdrawn).not.toHaveBeenCalled();
  await expect(createImage({ ...services, admit }, 't', imageOf({ n: 2 }), id)).rejects.toMatchObject({ code: 'id_taken' });
  expect(withdrawn).not.toHaveBeenCalled();
  // Both are admitted before either finds the other.
  const contested = newId('image');
  const ends = await Promise.allSettled([1, 2].map((n) => createImage({ ...services, admit }, 't', imageOf({ n }), contested)));
  expect(ends.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  expect(ends).toContainEqual({ status: 'rejected', reason: expect.objectContaining({ code: 'id_taken' }) });
  expect(withdrawn).toHaveBeenCalledTimes(1);
});

test('a job is request, record and message, and the model’s defaults are filled in', async () => {
  const { bucket, queues } = services;
  const job = await createImage(services, 't', imageOf({ loras: [{ name: 'style' }] }));
  expect(job).toMatchObject({ status: 'queued', attempts: 0, output: null, progress: { step: 0, total_steps: 25 } });
  expect(job.request).toEqual({
    model: 'emoji',
    prompt: 'red apple',
    negative_prompt: '',
    n: 1,
    width: 128,
    height: 128,
    steps: 25,
    guidance_scale: 4,
    sampler: 'euler',
    seed: idSeed(job.id),
    loras: [{ name: 'style', lora_id: lora.lora_id, sha256: '', weight: 1 }],
  });
  expect(await readJob(bucket, images, 't', job.id)).toEqual(job);
  const [message] = await queues.images.receive();
  expect(JSON.parse(message?.body ?? '')).toEqual({ kind: 'image', tenant: 't', id: job.id });
  expect(queues.trainings.size()).toBe(0);
  expect((await bucket.list(keys.outbox())).keys).toEqual([]);
});

test('what a caller chose is kept', async () => {
  const chosen = { width: 64, height: 96, steps: 3, guidance_scale: 0, sampler: 'ddim', seed: 0, n: 8 } as const;
  expect((await createImage(services, 't', imageOf(chosen))).request).toMatchObject(chosen);
});

test.each([
  ['unknown_model', 'model', imageOf({ model: 'other' })],
  ['unknown_lora', 'loras.1.name', imageOf({ loras: [{ name: 'style' }, { name: 'nope' }] })],
])('an image with %s is refused before anything is written', async (code, param, request) => {
  await expect(createImage(services, 't', request)).rejects.toMatchObject({ name: 'RequestError', code, param });
  expect((await services.bucket.list('tenants/t/images/')).keys).toEqual([]);
  expect(services.queues.images.size()).toBe(0);
});

test('a LoRA of another base is refused, and another tenant’s is unknown', async () => {
  await putRecord(services.bucket, keys.model('photo'), { ...model, name: 'photo' });
  const request = imageOf({ model: 'photo', loras: [{ name: 'style' }] });
  await expect(createImage(services, 't', request)).rejects.toMatchObject({ code: 'lora_mismatch', param: 'loras.0.name' });
  await expect(createImage(services, 'u', request)).rejects.toMatchObject({ code: 'unknown_lora', param: 'loras.0.name' });
});

test('a training wants files that are there, and the caller’s', async () => {
  const { bucket } = services;
  const file = await uploaded('t');
  const job = await createTraining(services, 't', trainingOf(file, file));
  expect(job.request).toMatchObject({ rank: 8, alpha: 8, steps: 400, seed: idSeed(job.id), targets: 'attention' });

  const other = await uploaded('u');
  const promised = await createFile(bucket, 't', { name: 'b.png', content_type: 'image/png', size_bytes: 3, sha256 });
  for (const [code, files] of [
    ['unknown_file', [file, newId('file')]],
    ['unknown_file', [file, other]],
    ['file_not_uploaded', [file, promised.id]],
  ] as const) {
    const refused = createTraining(services, 't', trainingOf(...files));
    await expect(refused).rejects.toMatchObject({ code, param: 'files.1.file_id' });
  }
  const prior = { ...trainingOf(file), prior_files: [{ file_id: other, caption: 'a' }] };
  await expect(createTraining(services, 't', prior)).rejects.toMatchObject({ param: 'prior_files.0.file_id' });
});

test('a training that goes on from another wants it to be there, of this base and this rank', async () => {
  const { bucket } = services;
  const file = await uploaded('t');
  const going = (change: Partial<TrainingRequestInput>) =>
    createTraining(services, 't', trainingRequestSchema.parse({ ...trainingOf(file), rank: 4, ...change }));
  expect((await going({ continue_from: { lora: 'style' } })).request.continue_from).toEqual({ lora: 'style' });
  const first = await going({});
  const again = await going({ continue_from: { training_id: first.id, step: 100 } });
  expect(again.request.continue_from).toEqual({ training_id: first.id, step: 100 });

  await putRecord(bucket, keys.model('photo'), { ...model, name: 'photo' });
  const training_id = newId('training');
  for (const [code, param, change] of [
    ['unknown_lora', 'continue_from.lora', { continue_from: { lora: 'none' } }],
    ['unknown_training', 'continue_from.training_id', { continue_from: { training_id } }],
    ['lora_mismatch', 'continue_from.lora', { model: 'photo', continue_from: { lora: 'style' } }],
    ['lora_mismatch', 'continue_from.training_id', { model: 'photo', continue_from: { training_id: first.id } }],
    ['lora_mismatch', 'rank', { rank: 8, continue_from: { lora: 'style' } }],
    ['lora_mismatch', 'rank', { rank: 8, continue_from: { training_id: first.id } }],
  ] as const) {
    await expect(going(change)).rejects.toMatchObject({ code, param });
  }
});

test('an image to start from is the caller’s, uploaded, and given a strength', async () => {
  const [file, mask, other] = [await uploaded('t'), await uploaded('t'), await uploaded('u')];
  const plain = await createImage(services, 't', imageOf());
  expect(plain.request.image_strength).toBeUndefined();
  const strengths = [
    [{ image: file }, 0.6],
    [{ image: file, mask }, 1],
    [{ image: file, mask, image_strength: 0.3 }, 0.3],
  ] as const;
  for (const [asked, strength] of strengths)
    expect((await createImage(services, 't', imageOf(asked))).request).toMatchObject({ ...asked, image_strength: strength });
  await expect(createImage(services, 't', imageOf({ image: other }))).rejects.toMatchObject({
    code: 'unknown_file',
    param: 'image',
  });
  await expect(createImage(services, 't', imageOf({ image: file, mask: other }))).rejects.toMatchObject({
    code: 'unknown_file',
    param: 'mask',
  });
});

test('creating again with the same id and request is the same job; with another request it is refused', async () => {
  const id = newId('image');
  const first = await createImage(services, 't', imageOf(), id);
  expect(await createImage(services, 't', imageOf(), id)).toEqual(first);
  await expect(createImage(services, 't', imageOf({ prompt: 'pear' }), id)).rejects.toMatchObject({ code: 'id_taken' });
  expect((await listJobs(services.bucket, images, 't', { limit: 9 })).jobs).toEqual([first]);
});

test('a job whose creator died before the message gets one from the sweep, once it is old enough', async () => {
  const { bucket, queues } = services;
  const dead = { ...memoryQueue(), send: () => Promise.reject(new Error('queue unreachable')) };
  const job = await createImage({ ...services, queues: { ...queues, images: dead } }, 't', imageOf());
  expect(services.report).toHaveBeenCalledExactlyOnceWith(new Error('queue unreachable'));
  expect(job.status).toBe('queued');

  expect(await sweepOutbox(bucket, queues)).toBe(0);
  expect(queues.images.size()).toBe(0);
  const later = Date.now() + 61_000;
  expect(await sweepOutbox(bucket, queues, { now: later })).toBe(1);
  const [message] = await queues.images.receive();
  expect(JSON.parse(message?.body ?? '')).toEqual({ kind: 'image', tenant: 't', id: job.id });
  expect(await sweepOutbox(bucket, queues, { now: later })).toBe(0);
});

test('the sweep forgets entries of jobs that were never accepted, canceled or begun', async () => {
  const { bucket, queues } = services;
  const canceled = await createImage(services, 't', imageOf());
  await cancelJob(bucket, images, 't', canceled.id);
  const begun = await createImage(services, 't', imageOf());
  await beginAttempt(bucket, images, 't', begun.id);
  for (const id of [canceled.id, begun.id, newId('image')]) {
    await bucket.put(keys.outboxEntry('images', 't', id), new Uint8Array());
  }
  expect(await sweepOutbox(bucket, queues, { olderThanSeconds: -1 })).toBe(0);
  expect((await bucket.list(keys.outbox())).keys).toEqual([]);
  expect(queues.images.size()).toBe(2);
});

test('one broken entry does not keep the sweep from the others', async () => {
  const { bucket, queues } = services;
  const broken = newId('image');
  await putRecord(bucket, keys.jobRecord('images', 't', broken), { status: 'dreaming' });
  const lost = await createImage(services, 't', imageOf());
  for (const id of [broken, lost.id]) await bucket.put(keys.outboxEntry('images', 't', id), new Uint8Array());
  await bucket.put('outbox/what/is/this', new Uint8Array());
  await expect(sweepOutbox(bucket, queues, { olderThanSeconds: -1 })).rejects.toThrow('1 entries of the outbox');
  expect(queues.images.size()).toBe(2);
});

test('wherever the creator dies, repeating the request or sweeping leaves one queued job with a message', async () => {
  const { bucket, queues } = services;
  // The writes of one creation, in order: request, outbox entry, record; then the message, then the entry's removal.
  for (let deadline = 0; deadline < 4; deadline++) {
    let writes = 0;
    const die = async () => {
      if (writes++ === deadline) throw new Error('killed');
    };
    const dying: typeof services = {
      ...services,
      bucket: {
        ...bucket,
        put: async (...write) => {
          await die();
          return bucket.put(...write);
        },
      },
      queues: {
        ...queues,
        images: {
          ...queues.images,
          send: async (...message) => {
            await die();
            return queues.images.send(...message);
          },
        },
      },
    };
    const tenant = `t${deadline}`;
    const id = newId('image');
    await createImage(dying, tenant, imageOf(), id).catch(() => undefined);
    const accepted = await readJob(bucket, images, tenant, id);
    const swept = await sweepOutbox(bucket, queues, { olderThanSeconds: -1 });
    expect([deadline, accepted?.status, swept]).toEqual([deadline, ...(deadline < 3 ? [undefined, 0] : ['queued', 1])]);

    const size = queues.images.size();
    expect((await createImage(services, tenant, imageOf(), id)).status).toBe('queued');
    expect(queues.images.size()).toBe(size + 1);
    expect((await bucket.list(keys.outbox())).keys).toEqual([]);
  }
});

test('lists newest first, page by page, only the tenant’s own, without what was never accepted', async () => {
  const { bucket } = services;
  const ids: string[] = [];
  for (let i = 0; i < 5; i++) {
    const request = {
      ...imageOf(),
      loras: [],
      width: 8,
      height: 8,
      steps: 1,
      guidance_scale: 1,
      sampler: 'ddim' as const,
      seed: 1,
    };
    const id = newId('image', 1_700_000_000_000 + i);
    ids.unshift((await createJob(services, images, { tenant: 't', id, request, totalSteps: 1 }, services.report)).id);
  }
  await createImage(services, 'u', imageOf());
  await putRecord(bucket, keys.jobRequest('images', 't', newId('image', 1)), {});
  const first = await listJobs(bucket, images, 't', { limit: 2 });
  expect(first.jobs.map((job) => job.id)).toEqual(ids.slice(0, 2));
  expect(first.next).toBe(ids[1]);
  const second = await listJobs(bucket, images, 't', { limit: 2, after: first.next });
  expect(second.jobs.map((job) => job.id)).toEqual(ids.slice(2, 4));
  const third = await listJobs(bucket, images, 't', { limit: 2, after: second.next });
  expect(third.jobs.map((job) => job.id)).toEqual(ids.slice(4));
  expect(third.next).toBeUndefined();
  expect(await listJobs(bucket, trainings, 't', { limit: 2 })).toEqual({ jobs: [], next: undefined });
});

test('cancel: queued at once, running by asking, finished not at all', async () => {
  const { bucket } = services;
  const queued = await createImage(services, 't', imageOf());
  const canceled = await cancelJob(bucket, images, 't', queued.id);
  expect(canceled).toMatchObject({ status: 'canceled', cancel_requested: true, attempts: 0 });
  expect(canceled.finished_at).not.toBeNull();
  expect(await cancelJob(bucket, images, 't', queued.id)).toEqual(canceled);
  // The message is still there; whoever receives it finds nothing to do.
  expect(await beginAttempt(bucket, images, 't', queued.id)).toEqual(canceled);

  const job = await createImage(services, 't', imageOf());
  const begun = await beginAttempt(bucket, images, 't', job.id);
  expect(begun).toMatchObject({ status: 'running', attempts: 1 });
  expect(await cancelJob(bucket, images, 't', job.id)).toMatchObject({ status: 'running', cancel_requested: true });
  await updateAttempt(bucket, images, 't', begun, (record) => ({ ...record, status: 'succeeded', output: { images: [] } }));
  // Asked for in time, but the worker was quicker: the record says so, and repeating the cancel is no error.
  expect(await cancelJob(bucket, images, 't', job.id)).toMatchObject({ status: 'succeeded', cancel_requested: true });

  const other = await createImage(services, 't', imageOf());
  const attempt = await beginAttempt(bucket, images, 't', other.id);
  await updateAttempt(bucket, images, 't', attempt, (record) => ({ ...record, status: 'failed' }));
  await expect(cancelJob(bucket, images, 't', other.id)).rejects.toMatchObject({ code: 'already_finished', param: 'id' });
  await expect(cancelJob(bucket, images, 'u', other.id)).rejects.toThrow(NoSuchRecord);
});

test('a job taken over after its cancel was asked for is canceled, not begun again', async () => {
  const { bucket } = services;
  const { id } = await createImage(services, 't', imageOf());
  await beginAttempt(bucket, images, 't', id);
  await cancelJob(bucket, images, 't', id);
  expect(await beginAttempt(bucket, images, 't', id)).toMatchObject({ status: 'canceled', attempts: 1 });
});

test('a worker that was thought dead cannot write any more', async () => {
  const { bucket } = services;
  const { id } = await createImage(services, 't', imageOf());
  const first = await beginAttempt(bucket, images, 't', id);
  const second = await beginAttempt(bucket, images, 't', id);
  expect([second.attempts, second.started_at]).toEqual([2, first.started_at]);
  const progress = { step: 1, total_steps: 25, loss: null, seconds_left: 3 };
  await expect(updateAttempt(bucket, images, 't', first, (job) => ({ ...job, progress }))).rejects.toThrow(AttemptLost);
  await updateAttempt(bucket, images, 't', second, (job) => ({ ...job, status: 'succeeded', output: { images: [] } }));
  await expect(updateAttempt(bucket, images, 't', second, (job) => ({ ...job, progress }))).rejects.toThrow(AttemptLost);
});

test('cancel against begin and cancel against cancel: fifty races, each with one of the two legal ends', async () => {
  const { bucket } = services;
  for (let i = 0; i < 50; i++) {
    const { id } = await createImage(services, 't', imageOf());
    const [a, b, begun] = await Promise.all([
      cancelJob(bucket, images, 't', id),
      cancelJob(bucket, images, 't', id),
      beginAttempt(bucket, images, 't', id),
    ]);
    const end = await readJob(bucket, images, 't', id);
    expect(a.cancel_requested && b.cancel_requested && end?.cancel_requested).toBe(true);
    expect([end?.status, begun.status]).toEqual(begun.status === 'running' ? ['running', 'running'] : ['canceled', 'canceled']);
  }
});

test('a job that no worker began in time is not begun, and one that took too long is not begun again', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  try {
    const { bucket } = services;
    const ask = async () =>
      (await createImage(services, 't', imageOf({ start_deadline_seconds: 60, run_deadline_seconds: 100 }))).id;
    const [late, canceled, timely] = [await ask(), await ask(), await ask()];
    await cancelJob(bucket, images, 't', canceled);
    vi.setSystemTime(Date.now() + 60_000);
    const begun = await beginAttempt(bucket, images, 't', timely);
    expect(begun).toMatchObject({ status: 'running' });
    expect(runMillisecondsLeft(begun)).toBe(100_000);
    vi.setSystemTime(Date.now() + 1);
    expect(await beginAttempt(bucket, images, 't', late)).toMatchObject({
      status: 'failed',
      attempts: 0,
      started_at: null,
      error: { code: 'start_deadline_exceeded', param: 'start_deadline_seconds' },
    });
    expect(await beginAttempt(bucket, images, 't', canceled)).toMatchObject({ status: 'canceled' });
    // Begun once, it may be taken over later than that, but not for ever.
    vi.setSystemTime(Date.now() + 90_000);
    expect(await beginAttempt(bucket, images, 't', timely)).toMatchObject({ status: 'running', attempts: 2 });
    vi.setSystemTime(Date.now() + 10_000);
    expect(await beginAttempt(bucket, images, 't', timely)).toMatchObject({
      status: 'failed',
      attempts: 2,
      error: { code: 'run_deadline_exceeded', param: 'run_deadline_seconds' },
    });
  } finally {
    vi.useRealTimers();
  }
});
