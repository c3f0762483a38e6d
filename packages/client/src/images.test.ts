import type { ImageRecord, ImageView, Receipt } from '@loraloom/jobs';
import { afterEach, expect, test, vi } from 'vitest';
import { canned, hurry, json } from './test-client.ts';

afterEach(() => vi.useRealTimers());

const receipt = {
  model: 'm',
  model_digest: '',
  loras: [],
  seed: 1,
  sampler: 'ddim' as const,
  steps: 4,
  guidance_scale: 4,
  width: 64,
  height: 64,
  prompt: 'p',
  negative_prompt: '',
  engine_version: '1',
} satisfies Receipt;
const { model_digest: _, engine_version: __, ...request } = receipt;
const poll = 'https://bucket.example/record.json?signature';

const bare = (status: ImageRecord['status'], step: number): ImageRecord => ({
  id: 'img_1',
  object: 'image',
  status,
  cancel_requested: false,
  created_at: '',
  started_at: status === 'queued' ? null : 'then',
  finished_at: null,
  attempts: 1,
  progress: { step, total_steps: 4, loss: null, seconds_left: status === 'running' ? 4 - step : null },
  error: null,
  trace: null,
  request: { ...request, n: 1, loras: [] },
  output: null,
});
const view = (status: ImageRecord['status'], step: number, queue_position: number | null = null): ImageView => ({
  ...bare(status, step),
  output: null,
  urls: { self: '/v1/images/img_1', cancel: '/v1/images/img_1/cancel', poll },
  queue_position,
  estimated_seconds: null,
});

test('an image is followed in the bucket, and the API is asked when it has ended', async () => {
  vi.useFakeTimers();
  const { client, sent } = canned(
    ...[json(bare('queued', 0)), json(bare('running', 1)), json(bare('running', 3)), json(bare('succeeded', 4))],
    json(view('succeeded', 4)),
  );
  const seen: unknown[] = [];
  const done = client.images.wait(view('queued', 0, 7), {
    responseFormat: 'data_uri',
    onProgress: ({ status, progress: { step }, queue_position, estimated_seconds }) =>
      seen.push([status, step, queue_position, estimated_seconds]),
  });
  expect(await hurry(vi, done)).toEqual(view('succeeded', 4));
  expect(seen).toEqual([
    ['queued', 0, 7, null],
    ['running', 1, null, 3],
    ['running', 3, null, 1],
    ['succeeded', 4, null, null],
  ]);
  const asked = sent.map(({ url }) => url);
  expect(asked).toEqual([poll, poll, poll, poll, 'https://api.example/v1/images/img_1?response_format=data_uri']);
  // The key is for the API, not for the bucket.
  expect(sent.map(({ headers }) => headers.get('authorization'))).toEqual([null, null, null, null, 'Bearer ll_secret']);
});

test('its place in the queue is asked for now and then', async () => {
  vi.useFakeTimers();
  const still = () => json(bare('queued', 0));
  const { client } = canned(...Array.from({ length: 9 }, () => still), json(view('queued', 0, 2)), json(bare('canceled', 0)));
  const records = client.images.follow(view('queued', 0, 7));
  await records.next();
  expect((await hurry(vi, records.next())).value).toMatchObject({ status: 'queued', queue_position: 2 });
});

test.each([
  ['refuses', () => new Response('expired', { status: 403 })],
  ['cannot be reached', new TypeError('blocked')],
  ['says something else', new Response('<html>')],
])('where the bucket %s, the API is asked', async (_, answer) => {
  vi.useFakeTimers();
  const { client } = canned(answer, json(view('succeeded', 4)));
  expect(await hurry(vi, client.images.wait(view('running', 1)))).toEqual(view('succeeded', 4));
});

test('under an id of the caller’s own it is a PUT, and sent again when the line breaks', async () => {
  vi.useFakeTimers();
  const { client, sent } = canned(new Error('reset'), json(view('queued', 0), 202));
  await hurry(vi, client.images.put('img_1', { receipt }, { responseFormat: 'b64_json', waitSeconds: 5 }));
  const [, put] = sent;
  expect([sent.length, put?.method, put?.url]).toEqual([
    2,
    'PUT',
    'https://api.example/v1/images/img_1?response_format=b64_json',
  ]);
  expect(put?.headers.get('prefer')).toBe('wait=5');
  expect(await put?.json()).toEqual({ receipt });
});
