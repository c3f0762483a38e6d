import type { TrainingRecord } from '@loraloom/jobs';
import { afterEach, expect, test, vi } from 'vitest';
import { connect } from './connect.ts';
import { LoraloomError } from './error.ts';

afterEach(() => vi.useRealTimers());

type Answer = Response | Error | (() => Response);

/** A client whose answers are canned, in order; `sent` is what it sent. */
function canned(...answers: Answer[]) {
  const sent: Request[] = [];
  const client = connect({
    url: 'https://api.example/',
    apiKey: 'll_secret',
    fetch: async (input, init) => {
      sent.push(new Request(input, init));
      const answer = answers.shift() ?? new Error('no more answers');
      if (answer instanceof Error) throw answer;
      return typeof answer === 'function' ? answer() : answer;
    },
  });
  return { client, sent };
}

const json = (body: object, status = 200, headers = {}) => new Response(JSON.stringify(body), { status, headers });
const refusal = (status: number, code: string) =>
  json({ error: { code, message: `it is ${code}`, param: 'x', request_id: 'r' } }, status, { 'x-request-id': 'r' });

const training = (status: TrainingRecord['status'], step: number): TrainingRecord => ({
  id: 'trn_7yt09zhw3gq8m5tr1vkd2xcfaj',
  object: 'training',
  status,
  cancel_requested: false,
  created_at: '',
  started_at: null,
  finished_at: null,
  attempts: 1,
  progress: { step, total_steps: 10, loss: null, seconds_left: null },
  error: null,
  trace: null,
  warnings: [],
  checkpoints: [],
  best_step: null,
  samples: [],
  request: {
    model: 'm',
    name: 'n',
    files: [],
    rank: 8,
    alpha: 8,
    targets: 'attention',
    train_text_encoder: false,
    steps: 10,
    batch_size: 1,
    gradient_accumulation_steps: 1,
    seed: 1,
    resolution: 128,
    enable_bucket: false,
    flip_aug: false,
    shuffle_caption: false,
    keep_tokens: 0,
    caption_dropout: 0,
    prior_files: [],
    prior_loss_weight: 1,
    optimizer: 'adamw',
    weight_decay: 0.01,
    learning_rate: 0.001,
    lr_scheduler: 'constant',
    lr_warmup_steps: 0,
    lr_scheduler_num_cycles: 1,
    noise_offset: 0,
    validation_split: 0,
    save_steps: 100,
    sample_prompts: [],
    sample_every_n_steps: 100,
    gradient_checkpointing: 'auto',
  },
  output: null,
});

/** Lets every timer run until the promise is settled. */
async function hurry<T>(promise: Promise<T>): Promise<T> {
  let settled = false;
  const done = () => {
    settled = true;
  };
  promise.then(done, done);
  while (!settled) await vi.advanceTimersByTimeAsync(100);
  return promise;
}

test('a call carries the key, and JSON both ways', async () => {
  const { client, sent } = canned(json(training('queued', 0), 202));
  const request = { model: 'emoji', name: 'style', files: [] };
  expect(await client.trainings.create(request)).toEqual(training('queued', 0));
  const [call] = sent;
  expect([call?.method, call?.url]).toEqual(['POST', 'https://api.example/v1/trainings']);
  expect(call?.headers.get('authorization')).toBe('Bearer ll_secret');
  expect(call?.headers.get('content-type')).toBe('application/json');
  expect(await call?.json()).toEqual(request);
});

test('pages are asked for by limit and after', async () => {
  const { client, sent } = canned(json({ object: 'list', data: [], next: null }));
  await client.images.list({ limit: 5, after: 'img_1' });
  expect(sent[0]?.url).toBe('https://api.example/v1/images?limit=5&after=img_1');
});

test('a refusal is a typed error, at once', async () => {
  const { client, sent } = canned(refusal(422, 'unknown_model'));
  const error = await client.images.create({ model: 'm', prompt: 'p' }).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(LoraloomError);
  expect(error).toMatchObject({ status: 422, code: 'unknown_model', message: 'it is unknown_model', param: 'x', requestId: 'r' });
  expect(sent.length).toBe(1);
});

test.each([
  ['<html>Bad gateway</html>', 'unexpected_answer', /Bad gateway/],
  ['', 'unexpected_answer', /.*/],
  ['{"message":"Forbidden"}', 'unexpected_answer', /Forbidden/],
  ['null', 'unexpected_answer', /null/],
])('an error that is not the API’s own (%j) is an error all the same', async (body, code, message) => {
  const { client } = canned(new Response(body, { status: 403 }));
  const error = await client.images.get('img_1').catch((error: unknown) => error);
  expect(error).toMatchObject({ status: 403, code, message: expect.stringMatching(message), param: null, requestId: null });
});

test('what may be done twice is tried again: reading, cancelling', async () => {
  vi.useFakeTimers();
  const { client, sent } = canned(new Error('reset'), refusal(503, 'busy'), json(training('canceled', 0)));
  expect(await hurry(client.trainings.cancel('trn_1'))).toMatchObject({ status: 'canceled' });
  expect(sent.length).toBe(3);
});

test('creating is tried again under the same key, so that there is one job', async () => {
  vi.useFakeTimers();
  const { client, sent } = canned(
    new Error('reset'),
    refusal(503, 'busy'),
    json(training('queued', 0), 202),
    json({}, 202),
    json({}, 202),
  );
  await hurry(client.trainings.create({ model: 'm', name: 'n', files: [] }));
  const keys = sent.map(({ headers }) => headers.get('idempotency-key'));
  expect(keys).toEqual([keys[0], keys[0], keys[0]]);
  expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
  await client.images.create({ model: 'm', prompt: 'p' });
  expect(sent[3]?.headers.get('idempotency-key')).not.toBe(keys[0]);
  await client.images.create({ model: 'm', prompt: 'p' }, { idempotencyKey: 'order-4711', waitSeconds: 19.5 });
  expect(sent[4]?.headers.get('idempotency-key')).toBe('order-4711');
  expect(sent[4]?.headers.get('prefer')).toBe('wait=20');
});

test('where there are no random keys, creating is not tried again: it would be a second job', async () => {
  vi.stubGlobal('crypto', {});
  const { client, sent } = canned(new Error('reset'));
  const error = await client.images.create({ model: 'm', prompt: 'p' }).catch((error: unknown) => error);
  vi.unstubAllGlobals();
  expect(error).toMatchObject({ status: 0, code: 'no_answer' });
  expect(sent.length).toBe(1);
});

test('gives up after four tries; waits as long as the server asks', async () => {
  vi.useFakeTimers({ now: 0 });
  const busy = () => new Response('{}', { status: 429, headers: { 'retry-after': '7' } });
  const { client, sent } = canned(busy, busy, busy, busy);
  await expect(hurry(client.models.list())).rejects.toMatchObject({ status: 429 });
  expect(sent.length).toBe(4);
  expect(Date.now()).toBeGreaterThanOrEqual(21_000);
});

test('does not wait for what takes longer than a minute, such as next month’s quota', async () => {
  const { client, sent } = canned(new Response('{}', { status: 429, headers: { 'retry-after': '61' } }));
  await expect(client.models.list()).rejects.toMatchObject({ status: 429 });
  expect(sent.length).toBe(1);
});

test('an upload announces size and digest, sends the bytes where it is told to, and again if the line breaks', async () => {
  vi.useFakeTimers();
  const upload = {
    method: 'PUT',
    url: 'https://bucket.example/content?sig',
    headers: { 'content-type': 'image/png', 'x-amz-checksum-sha256': 'A5' },
  };
  const { client, sent } = canned(json({ id: 'file_1', uploaded: false, upload }, 201), new Error('reset'), new Response());
  const picture = new Blob([new Uint8Array([1, 2, 3])]);
  const file = await hurry(client.files.upload(picture, { name: 'a.png', contentType: 'image/png' }));
  expect(file).toEqual({ id: 'file_1', uploaded: true });
  expect(await sent[0]?.json()).toEqual({
    name: 'a.png',
    content_type: 'image/png',
    size_bytes: 3,
    // sha256sum of the bytes 1, 2, 3
    sha256: '039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81',
  });
  expect(sent.length).toBe(3);
  for (const put of sent.slice(1)) {
    expect([put.method, put.url]).toEqual(['PUT', upload.url]);
    expect(put.headers.get('x-amz-checksum-sha256')).toBe('A5');
    // The key is for the API, not for the bucket.
    expect(put.headers.get('authorization')).toBeNull();
    expect(new Uint8Array(await put.arrayBuffer())).toEqual(new Uint8Array([1, 2, 3]));
  }
});

test('wait yields each change once, the end last; it looks less and less often while nothing changes', async () => {
  vi.useFakeTimers({ now: 0 });
  const looks: number[] = [];
  const states = [training('queued', 0), ...Array.from({ length: 12 }, () => training('running', 1)), training('succeeded', 10)];
  const { client } = canned(
    ...states.map((state) => () => {
      looks.push(Date.now());
      return json(state);
    }),
  );
  const seen: string[] = [];
  const all = async () => {
    for await (const { status, progress } of client.trainings.follow(training('queued', 0)))
      seen.push(`${status} ${progress.step}`);
  };
  await hurry(all());
  expect(seen).toEqual(['queued 0', 'running 1', 'succeeded 10']);
  const pauses = looks.slice(1).map((look, i) => look - (looks[i] ?? 0));
  expect(looks[0]).toBe(250);
  expect(Math.max(...pauses)).toBe(3000);
  expect(Math.min(...pauses)).toBeGreaterThanOrEqual(250);
});

test('a job that has ended already is not asked for', async () => {
  const { client, sent } = canned();
  expect(await client.trainings.wait(training('failed', 3))).toMatchObject({ status: 'failed' });
  expect(sent.length).toBe(0);
});

test('an abort ends the wait with its reason, also in the middle of a pause', async () => {
  const { client } = canned(json(training('running', 1)));
  const aborting = new AbortController();
  const reason = new Error('enough');
  setTimeout(() => aborting.abort(reason), 20);
  const started = Date.now();
  await expect(
    client.trainings.wait(training('queued', 0), { signal: aborting.signal, firstPauseSeconds: 60, longestPauseSeconds: 60 }),
  ).rejects.toBe(reason);
  expect(Date.now() - started).toBeLessThan(5000);
  await expect(client.images.get('img_1', { signal: aborting.signal })).rejects.toBe(reason);
});
