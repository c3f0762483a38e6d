import { expect, test } from 'vitest';
import { wrongsOfHistory } from './check.ts';
import { planOf } from './plan.ts';
import { runSeeds } from './run-seeds.ts';

const schedules = 12;

test('nothing is lost in random schedules of faults', async () => {
  const anomalies: string[] = [];
  const tally = await runSeeds(
    Array.from({ length: schedules }, (_, i) => i + 1),
    { processes: 2, atOnce: 8, told: ({ seed, wrongs }) => anomalies.push(...wrongs.map((wrong) => `seed ${seed}: ${wrong}`)) },
  );
  expect(anomalies).toEqual([]);
  expect(tally.schedules).toBe(schedules);
  // It was not calm.
  const sum = (counts: Record<string, number>) => Object.values(counts).reduce((total, many) => total + many, 0);
  expect(sum(tally.faults)).toBeGreaterThan(100);
  expect(sum(tally.ends)).toBeGreaterThan(2 * schedules);
  expect(Object.keys(tally.ends)).toEqual(expect.arrayContaining(['succeeded', 'failed', 'canceled']));
}, 600_000);

test('a seed is a schedule, always the same', () => {
  expect(planOf(7)).toEqual(planOf(7));
  expect(planOf(7)).not.toEqual(planOf(8));
});

const job = {
  id: 'img_7yt09zhw3gq8m5tr1vkd2xcfaj',
  object: 'image',
  status: 'queued',
  cancel_requested: false,
  created_at: '2026-11-25T10:00:00.000Z',
  started_at: null as string | null,
  finished_at: null as string | null,
  attempts: 0,
  progress: { step: 0, total_steps: 4, loss: null, seconds_left: null },
  error: null as object | null,
  request: {
    model: 'tiny',
    prompt: 'a cat',
    negative_prompt: '',
    n: 1,
    width: 64,
    height: 64,
    steps: 4,
    guidance_scale: 2,
    sampler: 'ddim',
    seed: 1,
    loras: [],
  },
  output: null as object | null,
};
const moment = '2026-11-25T10:00:01.000Z';
const running = { ...job, status: 'running', attempts: 1, started_at: moment };
const at = (step: number) => ({ ...running, progress: { ...job.progress, step } });
const succeeded = { ...at(4), status: 'succeeded', finished_at: moment, output: { images: [] } };
const failed = {
  ...running,
  status: 'failed',
  finished_at: moment,
  error: { code: 'not_a_picture', message: 'not a picture', param: 'image' },
};

test.each([
  ['all is well', [job, running, at(2), at(4), succeeded], undefined],
  ['a new attempt begins further back', [job, running, at(3), { ...at(3), attempts: 2 }, { ...at(1), attempts: 2 }], undefined],
  ['two ends', [job, running, succeeded, failed], 'succeeded was the end, and then failed'],
  ['an end taken back', [job, running, failed, running], 'failed was the end, and then running'],
  ['back into the queue', [job, running, job], 'running → queued'],
  ['an attempt that never was', [job, running, { ...running, attempts: 3 }], 'attempts 1 → 3'],
  ['fewer attempts', [job, running, { ...running, attempts: 2 }, running], 'attempts 2 → 1'],
  ['fewer steps', [job, running, at(3), at(2)], 'step 3 → 2 within an attempt'],
  ['a cancel forgotten', [job, { ...running, cancel_requested: true }, running], 'a cancel was forgotten'],
  ['canceled by nobody', [job, { ...job, status: 'canceled', finished_at: moment }], 'nobody asked for it'],
  ['failed without a reason', [job, running, { ...failed, error: null }], 'without a reason'],
  ['succeeded without a result', [job, running, { ...succeeded, output: null }], 'output false'],
])('the history of a record: %s', (_, versions, wrong) => {
  const wrongs = wrongsOfHistory(
    'record.json',
    versions.map((version, i) => ({ by: 'somebody', etag: `${i}`, text: JSON.stringify(version) })),
  );
  if (wrong === undefined) expect(wrongs).toEqual([]);
  else expect(wrongs.join()).toContain(wrong);
});
