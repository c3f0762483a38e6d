import { batchMessageSchema, images, keys, newId, readJob } from '@loraloom/jobs';
import { expect, test } from 'vitest';
import { tick } from './batch/tick.ts';
import { heldApp, sha256, testApp } from './test-app.ts';

const prices = { currency: 'USD', per_image: 0.01, per_gpu_second: 0.1, gpu_seconds_per_megapixel_step: 2 };

/** The app, and a way to upload text as a file. */
async function setUp() {
  const app = await testApp();
  async function uploadText(content_type: string, text: string, key = app.alpha): Promise<string> {
    const bytes = new TextEncoder().encode(text);
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
    const request = { name: 'a', content_type, size_bytes: bytes.length, sha256: Buffer.from(digest).toString('hex') };
    const { id, upload } = await (await app.call('POST', '/v1/files', request, key)).json();
    await app.bucket.fetch(upload.url, { method: 'PUT', headers: upload.headers, body: bytes });
    return id;
  }
  const priced = heldApp({ ...app.services, prices });
  async function dryRun(request: object, to = app.app) {
    const headers = { authorization: `Bearer ${app.alpha}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ ...request, dry_run: true });
    return (await to.request('/v1/batches', { method: 'POST', headers, body })).json();
  }
  return { ...app, priced, uploadText, dryRun };
}

const line = (custom_id: string, more: object = {}) => `${JSON.stringify({ custom_id, model: 'emoji', prompt: 'a', ...more })}\n`;

test('a dry run counts, estimates at the deployment’s prices, and makes nothing', async () => {
  const { uploadText, dryRun, priced, bucket, queues } = await setUp();
  const input_file_id = await uploadText(
    'application/jsonl',
    line('1', { n: 3 }) + line('2', { width: 256, height: 512, steps: 10 }),
  );
  const listed = async () => (await bucket.list('')).keys.filter(({ key }) => !key.startsWith('audit/'));
  const before = await listed();
  // 3 × 25 × 128² + 10 × 256 × 512 pixel steps, 2 s a million.
  expect(await dryRun({ input_file_id }, priced)).toEqual({
    object: 'batch_estimate',
    lines: 2,
    images: 4,
    estimated_gpu_seconds: 5.079,
    // 4 × 0.01 + 5.07904 × 0.1
    estimated_cost: 0.547904,
    currency: 'USD',
    invalid_lines: 0,
    refused_lines: 0,
    errors: [],
  });
  expect(await dryRun({ input_file_id })).toMatchObject({ estimated_gpu_seconds: null, estimated_cost: null, currency: null });
  expect(await listed()).toEqual(before);
  expect(queues.batches.size() + queues.images.size()).toBe(0);
});

test('whatever is wrong with a line is said with its number', async () => {
  const { uploadText, dryRun } = await setUp();
  const texts = [
    line('1'),
    '{"custom_id": "2", "model": \n',
    '\n',
    line('4', { steps: 1000 }),
    line('1'),
    line('6', { model: 'other' }),
    line('7', { loras: [{ name: 'nope' }] }),
    line('8', { colour: 'red' }),
    line(''),
    `${JSON.stringify({ model: 'emoji', prompt: 'a' })}\n`,
    line('11', { prompt: 'x'.repeat(70_000) }),
    '[1]\n',
    line('13', { image: newId('file') }),
    line('14', { prompt: 'a naked girl, nsfw porn' }),
    line('15').trimEnd(),
  ];
  const { errors, ...estimate } = await dryRun({ input_file_id: await uploadText('application/jsonl', texts.join('')) });
  expect(estimate).toMatchObject({ lines: 2, invalid_lines: 11, refused_lines: 1 });
  const found = errors.map((error: { line: number; code: string; param: string | null }) => [
    error.line,
    error.code,
    error.param,
  ]);
  expect(found).toEqual([
    [2, 'malformed_json', null],
    [4, 'invalid_request', 'steps'],
    [5, 'duplicate_custom_id', 'custom_id'],
    [6, 'unknown_model', 'model'],
    [7, 'unknown_lora', 'loras.0.name'],
    [8, 'invalid_request', 'colour'],
    [9, 'invalid_request', 'custom_id'],
    [10, 'invalid_request', 'custom_id'],
    [11, 'line_too_long', null],
    [12, 'invalid_request', null],
    [13, 'unknown_file', 'image'],
    [14, 'content_refused', 'prompt'],
  ]);
});

test.each([
  ['', 'no_lines', 1],
  [Array.from({ length: 50_001 }, (_, i) => `${i}\n`).join(''), 'too_many_lines', 50_001],
])('a file of no lines, or of too many', async (text, code, at) => {
  const { uploadText, dryRun } = await setUp();
  const { errors, invalid_lines } = await dryRun({ input_file_id: await uploadText('application/jsonl', text || '\n') });
  const all = code === 'no_lines' ? errors : [{ code, line: 50_001 }];
  expect(all).toMatchObject([{ code, line: at }]);
  expect(invalid_lines).toBe(at);
});

test('template × CSV: cells fill the template, numbers become numbers, rows are numbered unless they name themselves', async () => {
  const { uploadText, dryRun, call, bucket, queues, services } = await setUp();
  // A BOM, semicolons, quotes, a quoted line break, an empty line: as spreadsheets write them.
  const csv = '\uFEFFsku;name;seed;w\r\nA-1;"red; ""ripe""\napple";7;128\r\n\r\nB/2;pear;8;64\r\n';
  const csv_file_id = await uploadText('text/csv', csv);
  const template = {
    custom_id: '{{sku}}',
    model: 'emoji',
    prompt: 'a {{ name }}, {{sku}}',
    seed: '{{seed}}',
    width: '{{w}}',
    loras: [{ name: 'style', weight: 0.5 }],
  };
  const answer = await call('POST', '/v1/batches', { template, csv_file_id });
  expect(answer.status).toBe(202);
  const { id } = await answer.json();
  const [message] = await queues.batches.receive();
  await tick(services, batchMessageSchema.parse(JSON.parse(message?.body ?? '')));
  const kept = await bucket.getBytes(keys.batchLines('alpha', id, 0));
  const lines = new TextDecoder()
    .decode(kept?.bytes)
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text));
  expect(lines).toMatchObject([
    {
      line: 1,
      custom_id: 'A-1',
      request: { prompt: 'a red; "ripe"\napple, A-1', seed: 7, width: 128, loras: [{ weight: 0.5 }] },
    },
    { line: 2, custom_id: 'B/2', request: { prompt: 'a pear, B/2', seed: 8, width: 64 } },
  ]);

  const numbered = await dryRun({ template: { model: 'emoji', prompt: '{{name}}' }, csv_file_id });
  expect(numbered).toMatchObject({ lines: 2, invalid_lines: 0 });
  const { errors } = await dryRun({ template: { model: 'emoji', prompt: '{{nmae}} {{sku}}' }, csv_file_id });
  const message1 = 'no column named nmae; the file has sku, name, seed, w';
  expect(errors).toEqual([{ line: 1, code: 'unknown_column', message: message1, param: 'template' }]);
  const bad = await dryRun({ template: { model: 'emoji', prompt: 'a', steps: '{{name}}' }, csv_file_id });
  expect(bad.errors).toMatchObject([
    { line: 1, param: 'steps' },
    { line: 2, param: 'steps' },
  ]);
  const ragged = await uploadText('text/csv', 'sku,name\n1,a\n2,b,c\n');
  expect((await dryRun({ template, csv_file_id: ragged })).errors).toMatchObject([{ line: 1, code: 'unknown_column' }]);
  const short = { model: 'emoji', prompt: '{{name}}' };
  expect((await dryRun({ template: short, csv_file_id: ragged })).errors).toMatchObject([{ line: 2, code: 'malformed_csv' }]);
});

test('a batch: accepted, listed, read, validated, its jobs are images like any other, canceled', async () => {
  const { uploadText, call, bucket, queues, services, beta } = await setUp();
  const request = { input_file_id: await uploadText('application/jsonl', line('1') + line('2')) };
  const answer = await call('POST', '/v1/batches', request);
  expect(answer.status).toBe(202);
  const batch = await answer.json();
  expect(answer.headers.get('location')).toBe(`/v1/batches/${batch.id}`);
  expect(batch).toMatchObject({ object: 'batch', status: 'validating', request, retry_of: null, output: null });
  expect(batch).not.toHaveProperty('fanout');
  const move = async () => {
    // Ticks that find nothing new wait for a second.
    const [message] = await queues.batches.receive({ waitSeconds: 2 });
    await tick(services, batchMessageSchema.parse(JSON.parse(message?.body ?? '')));
    await queues.batches.delete(message?.receipt ?? '');
  };
  for (let i = 0; i < 3; i++) await move();
  const running = await (await call('GET', `/v1/batches/${batch.id}`)).json();
  expect(running).toMatchObject({ status: 'running', request_counts: { total: 2, queued: 2 } });
  expect((await (await call('GET', '/v1/batches')).json()).data).toEqual([running]);
  const { data } = await (await call('GET', '/v1/images')).json();
  expect(data).toHaveLength(2);
  expect(await readJob(bucket, images, 'alpha', data[0].id)).toMatchObject({ status: 'queued' });

  expect((await call('GET', `/v1/batches/${batch.id}`, undefined, beta)).status).toBe(404);
  expect((await call('POST', `/v1/batches/${batch.id}/cancel`, undefined, beta)).status).toBe(404);
  expect((await call('POST', `/v1/batches/${batch.id}/retry`, undefined, beta)).status).toBe(404);
  const early = await call('POST', `/v1/batches/${batch.id}/retry`);
  expect([early.status, (await early.json()).error.code]).toEqual([409, 'not_finished']);

  expect((await call('POST', `/v1/batches/${batch.id}/cancel`)).status).toBe(200);
  for (let i = 0; i < 3; i++) await move();
  const ended = await (await call('GET', `/v1/batches/${batch.id}`)).json();
  expect(ended).toMatchObject({
    status: 'canceled',
    request_counts: { canceled: 2 },
    output: { output_url: null, errors_url: expect.stringContaining('errors.jsonl'), archives: [] },
  });
  const errors = await (await bucket.fetch(ended.output.errors_url)).text();
  expect(errors.split('\n')).toHaveLength(3);
  const late = await call('POST', `/v1/batches/${batch.id}/retry`);
  expect([late.status, (await late.json()).error.code]).toEqual([409, 'nothing_to_retry']);
});

test('a batch with a line that is not right fails before anything is begun, and says which', async () => {
  const { uploadText, call, queues, services } = await setUp();
  const input_file_id = await uploadText('application/jsonl', line('1') + line('2', { n: 9 }));
  const { id } = await (await call('POST', '/v1/batches', { input_file_id })).json();
  const [message] = await queues.batches.receive();
  await tick(services, batchMessageSchema.parse(JSON.parse(message?.body ?? '')));
  const batch = await (await call('GET', `/v1/batches/${id}`)).json();
  expect(batch).toMatchObject({
    status: 'failed',
    error: { code: 'invalid_lines' },
    errors: [{ line: 2, param: 'n' }],
    output: null,
  });
  expect(queues.images.size()).toBe(0);
});

test('a batch whose file is deleted before it is read fails, and says so', async () => {
  const { uploadText, call, queues, services } = await setUp();
  const input_file_id = await uploadText('application/jsonl', line('1'));
  const { id } = await (await call('POST', '/v1/batches', { input_file_id })).json();
  await call('DELETE', `/v1/files/${input_file_id}`);
  const [message] = await queues.batches.receive();
  await tick(services, batchMessageSchema.parse(JSON.parse(message?.body ?? '')));
  const batch = await (await call('GET', `/v1/batches/${id}`)).json();
  expect(batch).toMatchObject({ status: 'failed', errors: [{ line: 1, code: 'unknown_file', param: 'input_file_id' }] });
});

test('an Idempotency-Key makes one batch, however often it is sent', async () => {
  const { uploadText, app, alpha, queues } = await setUp();
  const input_file_id = await uploadText('application/jsonl', line('1'));
  const send = (request: object) =>
    app.request('/v1/batches', {
      method: 'POST',
      headers: { authorization: `Bearer ${alpha}`, 'content-type': 'application/json', 'idempotency-key': 'order-1' },
      body: JSON.stringify(request),
    });
  const answers = await Promise.all([1, 2, 3].map(() => send({ input_file_id })));
  const ids = await Promise.all(answers.map(async (answer) => (await answer.json()).id));
  expect(new Set(ids).size).toBe(1);
  expect((await send({ input_file_id, budget: { max_images: 1 } })).status).toBe(409);
  expect(queues.batches.size()).toBe(3);
});

test.each([
  [{}, 'input_file_id'],
  [{ template: { model: 'emoji', prompt: 'a' } }, 'input_file_id'],
  [{ csv_file_id: newId('file') }, 'template'],
  [{ input_file_id: newId('file'), csv_file_id: newId('file'), template: {} }, 'csv_file_id'],
  [{ input_file_id: newId('file'), budget: { max_cost: 1 } }, 'budget.max_cost'],
  [{ input_file_id: newId('file') }, 'input_file_id'],
  [{ input_file_id: newId('file'), webhook_url: 'http://shop.example' }, 'webhook_url'],
  [{ input_file_id: newId('file'), webhook_url: 'https://a:b@shop.example' }, 'webhook_url'],
])('refuses %j for its %s', async (request, param) => {
  const { call } = await setUp();
  const answer = await call('POST', '/v1/batches', request);
  expect([answer.status, (await answer.json()).error.param]).toEqual([422, param]);
});

test('files of lines are larger than pictures, and each is wanted where it belongs', async () => {
  const { call, upload, uploadText } = await setUp();
  const announce = (content_type: string, size_bytes: number) =>
    call('POST', '/v1/files', { name: 'a', content_type, size_bytes, sha256 });
  expect((await announce('application/jsonl', 100 * 1024 ** 2)).status).toBe(201);
  expect((await announce('application/jsonl', 100 * 1024 ** 2 + 1)).status).toBe(422);
  expect((await announce('text/csv', 20 * 1024 ** 2 + 1)).status).toBe(422);
  expect((await announce('image/png', 20 * 1024 ** 2 + 1)).status).toBe(422);
  const wrong = await call('POST', '/v1/batches', { input_file_id: await upload() });
  expect((await wrong.json()).error).toMatchObject({ code: 'wrong_file_type', param: 'input_file_id' });
  const csv = await call('POST', '/v1/batches', { input_file_id: await uploadText('text/csv', 'a\n1\n') });
  expect(csv.status).toBe(422);
});
