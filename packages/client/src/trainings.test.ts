import { afterEach, expect, test, vi } from 'vitest';
import type { TrainingEvent } from './index.ts';
import { canned, cannedWith, hurry, json, refusal, training } from './test-client.ts';

afterEach(() => vi.useRealTimers());

const png = (last: number) => new Uint8Array([0x89, 0x50, 0x4e, 0x47, last]);

/** A server that takes files and trainings; it breaks the line of the first PUTs, and answers none before so many are under way. */
function server({ lose = 0, refuse = '', together = 1 } = {}) {
  const announced: { name: string; content_type: string }[] = [];
  const asked: unknown[] = [];
  let [atATime, most, lost] = [0, 0, 0];
  const all = Promise.withResolvers<void>();
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const request = new Request(input, init);
    const { pathname } = new URL(request.url);
    if (pathname === '/v1/files') {
      const file = await request.json();
      if (file.name === refuse) return refusal(422, 'content_refused');
      announced.push(file);
      const url = `https://bucket.example/${file.name}`;
      return json({ ...file, id: `file_${file.name}`, uploaded: false, upload: { method: 'PUT', url, headers: {} } }, 201);
    }
    if (pathname === '/v1/trainings') {
      asked.push(await request.json());
      return json(training('queued', 0), 202);
    }
    most = Math.max(most, ++atATime);
    // A moment later, in which one too many would come.
    if (most >= together) setTimeout(all.resolve, 50);
    await all.promise;
    atATime--;
    if (lost++ < lose) throw new TypeError('reset');
    return new Response();
  };
  return { ...cannedWith({ fetch }), announced, asked, most: () => most, puts: () => lost };
}

test('a training’s pictures are uploaded first, four at a time, and stand in it in their order', async () => {
  const { client, announced, asked, most } = server({ lose: 2, together: 4 });
  const told: number[] = [];
  const files = [
    ...Array.from({ length: 6 }, (_, i) => ({ picture: png(i), name: `${i}.png`, caption: `picture ${i}` })),
    { file_id: 'file_before', caption: 'uploaded before' },
    { picture: new File([new Uint8Array([0xff, 0xd8])], 'b.jpg'), caption: 'a file has a name' },
    { picture: new Blob(['RIFF'], { type: '' }), caption: 'a blob has none' },
  ];
  const prior_files = [{ picture: new Blob(['no png, so it says'], { type: 'image/png' }), name: 'p.png', caption: 'prior' }];
  const created = client.trainings.create(
    { model: 'm', name: 'n', files, prior_files, steps: 3 },
    { onUpload: ({ sentBytes, totalBytes }) => told.push(sentBytes / totalBytes) },
  );
  expect(await created).toEqual(training('queued', 0));
  const ids = ['0.png', '1.png', '2.png', '3.png', '4.png', '5.png', 'before', 'b.jpg', 'picture-9'];
  expect(asked).toEqual([
    {
      model: 'm',
      name: 'n',
      steps: 3,
      files: ids.map((id, i) => ({ file_id: `file_${id}`, caption: files[i]?.caption })),
      prior_files: [{ file_id: 'file_p.png', caption: 'prior' }],
    },
  ]);
  const types = Object.fromEntries(announced.map(({ name, content_type }) => [name, content_type]));
  expect(types).toMatchObject({
    '0.png': 'image/png',
    'b.jpg': 'image/jpeg',
    'picture-9': 'image/webp',
    'p.png': 'image/png',
  });
  expect(most()).toBe(4);
  expect(told.at(-1)).toBe(1);
  expect(told).toHaveLength(9);
});

test('a picture that is refused is the end of it: no more are uploaded, and no training is made', async () => {
  const { client, announced, asked, puts } = server({ refuse: '1.png' });
  const files = Array.from({ length: 20 }, (_, i) => ({ picture: png(i), name: `${i}.png`, caption: '' }));
  await expect(client.trainings.create({ model: 'm', name: 'n', files })).rejects.toMatchObject({
    code: 'content_refused',
  });
  // Those that were under way end.
  await vi.waitUntil(() => puts() === announced.length);
  expect(announced.length).toBeLessThan(10);
  expect(asked).toEqual([]);
});

test('an abort ends an upload with its reason', async () => {
  const { client, asked } = server();
  const aborting = new AbortController();
  const reason = new Error('enough');
  const created = client.trainings.create(
    { model: 'm', name: 'n', files: [{ picture: png(1), caption: '' }] },
    { signal: aborting.signal, onUpload: () => aborting.abort(reason) },
  );
  await expect(created).rejects.toBe(reason);
  expect(asked).toEqual([]);
});

test('a training goes on from another with its request, but for what is changed', async () => {
  const { request } = training('succeeded', 10);
  const old = { ...training('succeeded', 10), request: { ...request, steps: 12, epochs: 3 } };
  const { client, sent } = canned(json(old), json(training('queued', 0), 202), json(old), json(training('queued', 0), 202));
  await client.trainings.continue(old.id, { steps: 50 }, { step: 8, idempotencyKey: 'more' });
  await client.trainings.continue(old.id, { epochs: 5 });
  const continue_from = { training_id: old.id };
  // What is settled says both; a request may only say one of them.
  const { steps: _, ...same } = request;
  expect(await sent[1]?.json()).toEqual({ ...same, steps: 50, continue_from: { ...continue_from, step: 8 } });
  expect(sent[1]?.headers.get('idempotency-key')).toBe('more');
  expect(await sent[3]?.json()).toEqual({ ...same, epochs: 5, continue_from });
});

test('watch tells every event once, to the last, and asks on from where it was', async () => {
  vi.useFakeTimers();
  const step = (step: number): TrainingEvent => ({ type: 'step', at: '', step, loss: 1 / step, learning_rate: 1 });
  const page = (data: TrainingEvent[], next: string | null) => json({ object: 'list', data, next });
  const { client, sent } = canned(
    ...[json(training('queued', 0)), page([], null)],
    ...[json(training('running', 1)), page([step(1), step(2)], 'p1')],
    ...[json(training('running', 2)), page([], 'p1')],
    // It ends, and there are more events than one answer holds.
    ...[json(training('succeeded', 4)), page([step(3)], 'p2')],
    ...[json(training('succeeded', 4)), page([step(4)], 'p3')],
    ...[json(training('succeeded', 4)), page([], 'p3')],
  );
  const seen: TrainingEvent[] = [];
  const all = async () => {
    for await (const event of client.trainings.watch('trn_1')) seen.push(event);
  };
  await hurry(vi, all());
  expect(seen).toEqual([step(1), step(2), step(3), step(4)]);
  const asked = sent.map(({ url }) => new URL(url)).filter(({ pathname }) => pathname === '/v1/trainings/trn_1/events');
  expect(asked.map(({ searchParams }) => searchParams.get('after'))).toEqual([null, null, 'p1', 'p1', 'p2', 'p3']);
});
