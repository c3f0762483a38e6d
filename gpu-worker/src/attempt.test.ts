import { createJob, type ImageRecord, images, readJob } from '@loraloom/jobs';
import { memoryBucket } from '@loraloom/jobs/bucket/memory';
import { memoryQueues } from '@loraloom/jobs/queue/memory';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Attempt, attempt } from './attempt.ts';
import type { Services } from './services.ts';

const job = { tenant: 'acme', id: 'img_7yt09zhw3gq8m5tr1vkd2xcfaj' };
const progress = (step: number) => ({ step, total_steps: 10, loss: null, seconds_left: 1 });
const nothing = { output: { images: [] }, progress: progress(10) };

let bucket: ReturnType<typeof memoryBucket>;
let services: Services;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  bucket = memoryBucket();
  services = {
    bucket,
    queues: memoryQueues(),
    modelsFolder: '',
    provider: 'cpu',
    slots: 1,
    visibilitySeconds: 30,
    maxVisibilitySeconds: 41_400,
    graceSeconds: 0,
    log: () => undefined,
  };
  const request = images.request.parse({
    model: 'tiny',
    prompt: 'a cat',
    seed: 1,
    loras: [],
    width: 64,
    height: 64,
    steps: 10,
    guidance_scale: 1,
    sampler: 'ddim',
  });
  await createJob(services, images, { ...job, request, totalSteps: 10 }, (error) => {
    throw error;
  });
});
afterEach(() => vi.useRealTimers());

const record = () => readJob(bucket, images, job.tenant, job.id);
const carryThrough = (work: (begun: Attempt<ImageRecord>) => Promise<typeof nothing>, alone = false) =>
  attempt(services, images, { ...job, alone }, new AbortController().signal, work);

it('never writes an older progress over a newer one', async () => {
  const steps: number[] = [];
  const written = Promise.withResolvers<void>();
  let held = false;
  services.bucket = {
    ...bucket,
    async put(key, body, options) {
      const { step } = JSON.parse(new TextDecoder().decode(body instanceof Uint8Array ? body : new Uint8Array())).progress;
      if (step === 3 && !held) {
        // The write of step 3 dawdles until step 6 is written.
        held = true;
        await written.promise;
      }
      const done = await bucket.put(key, body, options);
      steps.push(step);
      if (step === 6) written.resolve();
      return done;
    },
  };
  await carryThrough(async ({ report }) => {
    const slow = report(progress(3));
    await vi.waitUntil(() => held);
    vi.setSystemTime(Date.now() + 2000);
    await report(progress(6));
    await slow;
    return nothing;
  });
  expect(steps).toEqual(steps.toSorted((a, b) => a - b));
  expect(steps).toContain(6);
});

it('goes on when nobody can be told how far it has come', async () => {
  services.bucket = {
    ...bucket,
    async put(key, body, options) {
      if (
        JSON.stringify(JSON.parse(new TextDecoder().decode(body instanceof Uint8Array ? body : undefined))).includes('"step":3')
      )
        throw new Error('out of reach');
      return bucket.put(key, body, options);
    },
  };
  await carryThrough(async ({ report }) => {
    await report(progress(3));
    return nothing;
  });
  expect((await record())?.status).toBe('succeeded');
});

it('fails a job for want of memory only if it had all the memory there is', async () => {
  const outOfMemory = async () => {
    throw new Error('Failed to allocate memory for requested buffer of size 134217728');
  };
  await expect(carryThrough(outOfMemory)).rejects.toThrow('Failed to allocate memory');
  expect((await record())?.status).toBe('running');
  await carryThrough(outOfMemory, true);
  expect(await record()).toMatchObject({ status: 'failed', attempts: 2, error: { code: 'out_of_memory' } });
});
