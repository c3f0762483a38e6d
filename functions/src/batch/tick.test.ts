import {
  type BatchRecord,
  type Bucket,
  cancelBatch,
  type ImageRequestInput,
  images,
  keys,
  listJobs,
  newId,
  publishLora,
  readBatch,
  retryBatch,
} from '@loraloom/jobs';
import { unzipSync } from 'fflate';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { tenantAccount } from '../limits.ts';
import { lora } from '../test-app.ts';
import { activeChunks, chunkLines } from './services.ts';
import { type BatchWorld, batchWorld, Killed, mortal, seeded, tenant } from './test-batch.ts';
import { tick } from './tick.ts';

type Wanted = { custom_id: string } & Partial<ImageRequestInput>;

const jsonl = (lines: Wanted[]) => lines.map((line) => `${JSON.stringify({ model: 'emoji', ...line })}\n`).join('');
const numbered = (count: number): Wanted[] => Array.from({ length: count }, (_, i) => ({ custom_id: `c${i}`, prompt: `p${i}` }));
const submit = async (world: BatchWorld, lines: Wanted[], more: object = {}) =>
  world.create({ input_file_id: await world.upload('application/jsonl', jsonl(lines)), ...more });

const outputSchema = z.object({
  custom_id: z.string(),
  response: z
    .object({ body: z.object({ attempts: z.int(), output: z.object({ images: z.array(z.object({ file: z.string() })) }) }) })
    .nullable(),
  error: z.object({ code: z.string(), message: z.string(), refusal: z.object({ category: z.string() }).optional() }).nullable(),
});
const parsed = (text: string) =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => outputSchema.parse(JSON.parse(line)));

/** All that a batch has put out, by its custom ids and file names. */
async function outputsOf({ bucket, textOf }: BatchWorld, { id, fanout }: BatchRecord) {
  const output = parsed(await textOf(keys.batchOutput(tenant, id)));
  const errors = parsed(await textOf(keys.batchErrors(tenant, id)));
  const files: Record<string, string> = {};
  for (const [i, { size_bytes }] of fanout.archives.entries()) {
    if (size_bytes === 0) continue;
    const zip = await bucket.getBytes(keys.batchArchive(tenant, id, i));
    expect(zip?.size).toBe(size_bytes);
    for (const [name, bytes] of Object.entries(unzipSync(zip?.bytes ?? new Uint8Array()))) {
      expect(files[name]).toBeUndefined();
      files[name] = new TextDecoder().decode(bytes);
    }
  }
  return { output, errors, files };
}

test('every line runs once and appears once: outputs, errors, pictures, counts', async () => {
  const world = await batchWorld();
  const lines: Wanted[] = [
    { custom_id: 'one', prompt: 'red apple', loras: [{ name: 'style' }] },
    { custom_id: 'a/b', prompt: 'green pear', n: 2 },
    { custom_id: 'two', prompt: 'bad' },
    { custom_id: '../x', prompt: 'blue plum' },
  ];
  const { id } = await submit(world, lines);
  const batch = await world.drain(id);
  expect(batch).toMatchObject({
    status: 'succeeded',
    request_counts: { total: 4, queued: 0, running: 0, succeeded: 3, failed: 1, canceled: 0 },
    // 4 pictures × 25 steps × 128 × 128 pixels.
    work: { images: 4, megapixel_steps: 1.6384 },
  });
  const { output, errors, files } = await outputsOf(world, batch);
  expect(output.map(({ custom_id, error }) => [custom_id, error])).toEqual([
    ['one', null],
    ['a/b', null],
    ['../x', null],
  ]);
  expect(errors).toEqual([{ custom_id: 'two', response: null, error: { code: 'bad', message: 'a bad prompt' } }]);
  expect(files).toEqual({
    'one.png': 'red apple 0',
    'a%2Fb/0.png': 'green pear 0',
    'a%2Fb/1.png': 'green pear 1',
    '%2E.%2Fx.png': 'blue plum 0',
  });
  expect(output.flatMap(({ response }) => response?.body.output.images.map(({ file }) => file))).toEqual(Object.keys(files));
  expect((await world.bucket.list(keys.outbox())).keys).toEqual([]);
});

test('a line that moderation refuses is an error with its category: nothing is made of it, and the others go on', async () => {
  const world = await batchWorld();
  const lines = [
    { custom_id: 'one', prompt: 'red apple' },
    { custom_id: 'two', prompt: 'a naked girl, nsfw porn' },
  ];
  const batch = await world.drain((await submit(world, lines)).id);
  expect(batch).toMatchObject({
    status: 'succeeded',
    request_counts: { total: 2, succeeded: 1, failed: 1 },
    work: { images: 1, megapixel_steps: 0.4096 },
  });
  const { output, errors } = await outputsOf(world, batch);
  expect(output).toMatchObject([{ custom_id: 'one' }]);
  expect(errors).toMatchObject([{ custom_id: 'two', error: { code: 'content_refused', refusal: { category: 'sexual' } } }]);
  expect([...world.made.keys()]).toEqual(['red apple']);
});

test('a batch is made with the LoRAs that there were when it was checked', async () => {
  const world = await batchWorld();
  const { id } = await submit(world, [{ custom_id: 'one', prompt: 'red apple', loras: [{ name: 'style', weight: 0.5 }] }]);
  await world.step();
  const newer = { ...lora, lora_id: newId('lora'), sha256: '1'.repeat(64), created_at: new Date().toISOString() };
  await publishLora(world.bucket, tenant, newer);
  await world.drain(id);
  const [image] = (await listJobs(world.bucket, images, tenant, { limit: 2 })).jobs;
  expect(image?.request.loras).toEqual([{ name: 'style', lora_id: lora.lora_id, sha256: lora.sha256, weight: 0.5 }]);
});

/** How many pictures the tenant was charged for, in whichever months. */
async function picturesCharged({ limits }: BatchWorld): Promise<number> {
  const { counters } = await limits.read(tenantAccount(tenant).account);
  return Object.values(counters).reduce((sum, n) => sum + n, 0);
}

test('lines are charged for as single requests are: what the quota does not pay for fails, and can be retried', async () => {
  const world = await batchWorld({ allowed: { pictures_per_month: 7 } });
  const lines = numbered(5).map((line) => ({ ...line, n: 2 }));
  const batch = await world.drain((await submit(world, lines)).id);
  expect(batch).toMatchObject({ status: 'succeeded', request_counts: { succeeded: 3, failed: 2 }, work: { images: 6 } });
  expect(await picturesCharged(world)).toBe(6);
  const { errors } = await outputsOf(world, batch);
  const message = /^this month’s quota \(.*, UTC\) is 7 pictures, of which 1 are left; 2 were wanted$/;
  expect(errors.map(({ error }) => [error?.code, message.test(error?.message ?? '')])).toEqual([
    ['quota_exceeded', true],
    ['quota_exceeded', true],
  ]);
});

test('a tick whose message is quicker than the record of the one before waits for that, and does nothing twice', async () => {
  const world = await batchWorld();
  const { id } = await submit(world, numbered(2));
  const written: string[] = [];
  const bucket = {
    ...world.bucket,
    put: (...[key, ...rest]: Parameters<Bucket['put']>) => {
      written.push(key);
      return world.bucket.put(key, ...rest);
    },
  };
  let waits = 0;
  const sleep = async () => {
    if (++waits === 3) await tick({ ...world.services, bucket }, { kind: 'batch', tenant, id, tick: 0 });
  };
  await tick({ ...world.services, bucket, sleep }, { kind: 'batch', tenant, id, tick: 1 });
  expect(waits).toBe(3);
  expect(written.filter((key) => key === keys.batchLines(tenant, id, 0))).toHaveLength(1);
  expect(await readBatch(world.bucket, tenant, id)).toMatchObject({ status: 'running', fanout: { tick: 2, next: 1 } });
});

test('a batch takes half of what a tenant may have unfinished, and waits for the rest', async () => {
  const world = await batchWorld({ allowed: { unfinished_jobs: 10 } });
  const { id } = await submit(world, numbered(30));
  for (let i = 0; i < 4; i++) await world.step();
  expect(world.queues.images.size()).toBe(5);
  expect(await readBatch(world.bucket, tenant, id)).toMatchObject({ request_counts: { queued: 30 } });
  expect(await world.drain(id)).toMatchObject({ status: 'succeeded', request_counts: { succeeded: 30 } });
  expect(await picturesCharged(world)).toBe(30);
});

/** Runs a batch whose processes are killed at the given call of a port, counted over all of them. @returns false if none was */
async function killAt(deadline: number, lines: Wanted[]): Promise<boolean> {
  const world = await batchWorld();
  const id = newId('batch');
  const file = await world.upload('application/jsonl', jsonl(lines));
  let calls = 0;
  let killed = false;
  const services = mortal(world.services, () => {
    if (calls++ !== deadline) return;
    killed = true;
    throw new Killed();
  });
  // A caller whose request broke off repeats it.
  await world.create({ input_file_id: file }, services, id).catch((error) => {
    if (!(error instanceof Killed)) throw error;
    return world.create({ input_file_id: file }, services, id);
  });
  const batch = await world.drain(id, services);
  const ids = lines.map(({ custom_id }) => custom_id);
  const { output, errors, files } = await outputsOf(world, batch);
  const bad = lines.filter(({ prompt }) => prompt === 'bad').map(({ custom_id }) => custom_id);
  const good = ids.filter((name) => !bad.includes(name));
  expect([deadline, batch.status, batch.request_counts]).toEqual([
    deadline,
    'succeeded',
    { total: ids.length, queued: 0, running: 0, succeeded: good.length, failed: bad.length, canceled: 0 },
  ]);
  expect(output.map(({ custom_id }) => custom_id)).toEqual(good);
  expect(output.map(({ response }) => response?.body.attempts)).toEqual(good.map(() => 1));
  expect(errors.map(({ custom_id }) => custom_id)).toEqual(bad);
  expect(Object.keys(files)).toEqual(good.map((name) => `${name}.png`));
  expect([...world.made.values()]).toEqual(lines.map(() => 1));
  expect(await picturesCharged(world)).toBe(lines.length);
  expect((await world.bucket.list(keys.outbox())).keys).toEqual([]);
  return killed;
}

test('killed before or after any call of a port: started again, every line runs once and appears once', async () => {
  const lines: Wanted[] = [...numbered(2), { custom_id: 'last', prompt: 'bad' }];
  let deadline = 0;
  while (await killAt(deadline, lines)) deadline++;
  // Two for every call: before and after it.
  expect(deadline).toBeGreaterThan(100);
  console.log(`killed at ${deadline} points`);
});

test('a batch of two chunks is killed at calls spread all over it', async () => {
  const lines = numbered(chunkLines + 3);
  for (let deadline = 3; await killAt(deadline, lines); deadline += 29);
});

test.each([1, 2, 3, 4])('messages twice and in any order, and killed again and again (%i)', async (seed) => {
  const random = seeded(seed);
  const world = await batchWorld({ random, twice: 0.3 });
  const lines = numbered(chunkLines * 5 + 7);
  const { id } = await submit(world, lines);
  let mercy = 0;
  const services = mortal(world.services, () => {
    if (mercy-- > 0) return;
    mercy = Math.floor(random() * 2000);
    throw new Killed();
  });
  const batch = await world.drain(id, services);
  expect(batch).toMatchObject({ status: 'succeeded', request_counts: { total: 257, succeeded: 257 } });
  const { output, files } = await outputsOf(world, batch);
  expect(output.map(({ custom_id }) => custom_id)).toEqual(lines.map(({ custom_id }) => custom_id));
  expect(Object.values(files)).toEqual(lines.map(({ prompt }) => `${prompt} 0`));
  expect(new Set(world.made.values())).toEqual(new Set([1]));
  expect(world.queues.batches.size()).toBe(0);
});

test('a batch takes no more than a window of the queue of images, and does not wait for one slow line', async () => {
  const world = await batchWorld();
  const { id } = await submit(world, numbered(chunkLines * 12));
  const window = activeChunks * chunkLines;
  for (let i = 0; i < 6; i++) await world.step();
  expect(world.queues.images.size()).toBe(window);
  // All but one of the first chunk are made: the others go on.
  const held = await world.queues.images.receive();
  await world.queues.images.delete(held[0]?.receipt ?? '');
  while (await world.engine());
  for (let i = 0; i < 6; i++) await world.step();
  expect(world.queues.images.size()).toBe(window - chunkLines);
  await world.queues.images.send(held[0]?.body ?? '');
  expect((await world.drain(id)).request_counts).toMatchObject({ succeeded: chunkLines * 12 });
});

test('cancel: what waits is not begun, what is done stays, and every line is accounted for', async () => {
  const world = await batchWorld();
  const lines = numbered(chunkLines * 10);
  const { id } = await submit(world, lines);
  for (let i = 0; i < 3; i++) await world.step();
  for (let i = 0; i < 30; i++) await world.engine();
  expect(await cancelBatch(world.bucket, tenant, id)).toMatchObject({ status: 'canceling', cancel_requested: true });
  const batch = await world.drain(id);
  expect(batch).toMatchObject({ status: 'canceled', request_counts: { queued: 0, running: 0, succeeded: 30, canceled: 470 } });
  const { output, errors, files } = await outputsOf(world, batch);
  expect(Object.keys(files)).toHaveLength(30);
  expect(errors.every(({ error }) => error?.code === 'canceled')).toBe(true);
  const all = [...output, ...errors].map(({ custom_id }) => custom_id);
  expect(all.sort()).toEqual(lines.map(({ custom_id }) => custom_id).sort());
  expect([...world.made.values()]).toEqual(Array.from({ length: 30 }, () => 1));
});

test('a batch that is canceled before it was looked at begins nothing', async () => {
  const world = await batchWorld();
  const { id } = await submit(world, numbered(3));
  await cancelBatch(world.bucket, tenant, id);
  expect(await world.drain(id)).toMatchObject({ status: 'canceled', request_counts: { canceled: 3 } });
  expect(world.made.size).toBe(0);
});

const prices = { currency: 'USD', per_image: 0.01, per_gpu_second: 0.1, gpu_seconds_per_megapixel_step: 1 };

test.each([
  [{ max_images: 13 }, 4],
  // A picture of 25 steps of 128² costs 0.01 + 0.1 × 0.4096 = 0.05096; a line of three 0.15288.
  [{ max_cost: 0.459 }, 3],
  [{ max_cost: 0.458 }, 2],
  [{ max_images: 2 }, 0],
] as const)('budget %o: lines of three pictures are begun as long as they can be paid for', async (budget, begun) => {
  const world = await batchWorld();
  const lines = [
    { custom_id: 'bad', prompt: 'bad', n: 3 },
    ...Array.from({ length: 4 }, (_, i) => ({ custom_id: `${i}`, prompt: `p${i}`, n: 3 })),
    ...numbered(70).map((line) => ({ ...line, n: 8 })),
  ];
  const { id } = await submit(world, lines, { budget });
  const batch = await world.drain(id, { ...world.services, prices });
  expect(batch).toMatchObject({ status: 'canceled', error: { code: 'budget_reached', param: 'budget' } });
  const { errors } = await outputsOf(world, batch);
  const unpaid = errors.filter(({ error }) => error?.code === 'budget_reached');
  expect([batch.request_counts.canceled, unpaid.length]).toEqual([75 - begun, 75 - begun]);
  // The first of them failed, and is not counted as spent.
  expect(batch.work.images).toBe(3 * Math.max(0, begun - 1));
});

test('retry: a new batch of the failed lines only', async () => {
  const world = await batchWorld();
  const lines = numbered(60).map((line, i) => (i % 20 === 7 ? { ...line, prompt: 'bad' } : line));
  const first = await world.drain((await submit(world, lines)).id);
  expect(first.request_counts).toMatchObject({ succeeded: 57, failed: 3 });
  const services = { ...world.services, report: () => undefined };
  const again = await retryBatch(services, tenant, first);
  const second = await world.drain(again.id);
  expect(second).toMatchObject({ retry_of: first.id, request_counts: { total: 3, failed: 3 } });
  const { errors } = await outputsOf(world, second);
  expect(errors.map(({ custom_id }) => custom_id)).toEqual(['c7', 'c27', 'c47']);
  const third = await world.drain((await retryBatch(services, tenant, second)).id);
  expect(third).toMatchObject({ retry_of: second.id, request_counts: { total: 3 } });
  const whole = await world.drain((await submit(world, numbered(1))).id);
  await expect(retryBatch(services, tenant, whole)).rejects.toMatchObject({ code: 'nothing_to_retry' });
});

test('what was there at the check and is gone at the start fails that line alone', async () => {
  const world = await batchWorld();
  const { id } = await submit(world, [...numbered(1), { custom_id: 'styled', prompt: 'a', loras: [{ name: 'style' }] }]);
  await world.step();
  await world.bucket.delete(keys.loraRecord(tenant, 'style'));
  const batch = await world.drain(id);
  expect(batch.request_counts).toMatchObject({ succeeded: 1, failed: 1 });
  expect((await outputsOf(world, batch)).errors).toMatchObject([{ custom_id: 'styled', error: { code: 'unknown_lora' } }]);
});

test('ticks that have not come for long are sent again by the sweep; until then it keeps still', async () => {
  const world = await batchWorld();
  const { id } = await submit(world, numbered(2));
  await world.step();
  const [lost] = await world.queues.batches.receive();
  await world.queues.batches.delete(lost?.receipt ?? '');
  expect(world.queues.batches.size()).toBe(0);
  const batch = await world.drain(id);
  expect(batch.status).toBe('succeeded');
  expect(await readBatch(world.bucket, tenant, id)).toEqual(batch);
});

test('a thousand lines', { timeout: 60_000 }, async () => {
  const world = await batchWorld();
  const begun = performance.now();
  const batch = await world.drain((await submit(world, numbered(1000))).id);
  expect(batch.request_counts.succeeded).toBe(1000);
  console.log(`1,000 lines in memory: ${Math.round(performance.now() - begun)} ms`);
});
