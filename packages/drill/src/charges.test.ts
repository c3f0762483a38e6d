import { type ImageRecord, images, type TrainingRecord } from '@loraloom/jobs';
import { memoryLimits } from '@loraloom/jobs/limits/memory';
import { expect, it } from 'vitest';
import { faultyLimits, wrongsOfCharges } from './charges.ts';
import { faultsOf } from './faults.ts';

const ids = ['img_7yt09zhw3gq8m5tr1vkd2xcfaj', 'img_7yt09zhw3gq8m5tr1vkd2xcfak'] as const;
const job = (id: string, n: number): ImageRecord | TrainingRecord =>
  images.record.parse({
    id,
    object: 'image',
    status: 'queued',
    cancel_requested: false,
    created_at: '2026-11-25T10:00:00.000Z',
    started_at: null,
    finished_at: null,
    attempts: 0,
    progress: { step: 0, total_steps: 4, loss: null, seconds_left: null },
    error: null,
    request: {
      model: 'tiny',
      prompt: 'a cat',
      n,
      width: 64,
      height: 64,
      steps: 4,
      guidance_scale: 2,
      sampler: 'ddim',
      seed: 1,
      loras: [],
    },
    output: null,
  });

const charge = (id: string, n: number) => ({
  add: { 'pictures 2026-11': { n, limit: 100 } },
  open: { entry: `${id} ${n} 0123456789abcdef`, limit: 10 },
});

it('finds what was charged twice, and what was not', async () => {
  const limits = memoryLimits();
  const jobs = [job(ids[0], 2)];
  const nothing = '0 pictures are charged, for jobs of 2, and 0 for requests that came to nothing';
  expect(await wrongsOfCharges(limits, 'drill', jobs)).toEqual([nothing]);
  await limits.charge('tenant drill', charge(ids[0], 2));
  expect(await wrongsOfCharges(limits, 'drill', jobs)).toEqual([]);
  // A request that died before it wrote its job
  await limits.charge('tenant drill', charge(ids[1], 3));
  expect(await wrongsOfCharges(limits, 'drill', jobs)).toEqual([]);
  // Its place is taken back, and what it was charged is not
  await limits.close('tenant drill', charge(ids[1], 3).open.entry);
  const wrong = '5 pictures are charged, for jobs of 2, and 0 for requests that came to nothing';
  expect(await wrongsOfCharges(limits, 'drill', jobs)).toEqual([wrong]);
});

it.each([
  ['request lost', true, 0],
  ['error before effect', true, 0],
  ['unavailable', true, 0],
  ['answer lost', true, 1],
  ['error after effect', true, 1],
  [undefined, false, 1],
] as const)('a charge on a line with %s', async (fault, lost, charged) => {
  const limits = memoryLimits();
  let cut = false;
  const faulty = faultyLimits(limits, { ...faultsOf(1, 0), next: () => fault }, 1, 'api', () => cut);
  const one = () => faulty.charge('a', { add: { n: { n: 1, limit: 100 } } });
  if (lost) await expect(one()).rejects.toThrow(`limits: ${fault}`);
  else await one();
  cut = true;
  await expect(one()).rejects.toThrow('limits: ');
  expect((await limits.read('a')).counters.n ?? 0).toBe(charged);
});
