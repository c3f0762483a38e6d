import { setTimeout as sleep } from 'node:timers/promises';
import type { JobMessage, Queue } from '@loraloom/jobs';
import { memoryBucket } from '@loraloom/jobs/bucket/memory';
import { memoryQueue, memoryQueues } from '@loraloom/jobs/queue/memory';
import { beforeEach, expect, it } from 'vitest';
import { isOutOfMemory } from './failure.ts';
import { type Hold, hold } from './hold.ts';
import type { Services } from './services.ts';

const job: JobMessage = { kind: 'image', tenant: 'acme', id: 'img_7yt09zhw3gq8m5tr1vkd2xcfaj' };

let dead: ReturnType<typeof memoryQueue>;
let images: ReturnType<typeof memoryQueue>;
let services: Services;

beforeEach(async () => {
  dead = memoryQueue();
  images = memoryQueue({ maxReceiveCount: 5, dead });
  services = {
    bucket: memoryBucket(),
    queues: { ...memoryQueues(), images },
    modelsFolder: '',
    provider: 'cpu',
    slots: 1,
    visibilitySeconds: 0.02,
    maxVisibilitySeconds: 41_400,
    graceSeconds: 0,
    log: () => undefined,
  };
  await images.send(JSON.stringify(job));
});

async function receive(): Promise<Hold> {
  const [message] = await images.receive({ waitSeconds: 5, visibilitySeconds: services.visibilitySeconds });
  if (!message) throw new Error('nothing came');
  return hold(services, 'images', message, JSON.parse(message.body));
}

/** Works until it is told to put its job back. */
const untilReleased = (_: object, stop: AbortSignal) =>
  new Promise<void>((_, reject) => stop.addEventListener('abort', () => reject(stop.reason)));

async function putBackWhileRunning(held: Hold) {
  const ended = held.work(untilReleased);
  held.release();
  await ended;
}

it('deletes the message of a job that has ended, hidden for as long as it took', async () => {
  const held = await receive();
  await held.work(async () => {
    await sleep(100);
    expect(await images.receive()).toEqual([]);
  });
  expect([images.size(), dead.size()]).toEqual([0, 0]);
});

it('leaves a job that goes wrong to be tried again, later and later, and then to the dead letters', async () => {
  const pauses: number[] = [];
  const watched: Queue = {
    ...images,
    extend: (receipt, seconds) => images.extend(receipt, seconds).then(() => void pauses.push(seconds)),
  };
  services = { ...services, queues: { ...services.queues, images: watched } };
  for (let time = 1; time <= 5; time++) {
    const held = await receive();
    expect(held.alone).toBe(time > 1);
    await held.work(async () => {
      throw new Error('no such luck');
    });
  }
  expect(pauses).toEqual([0.02, 0.04, 0.08, 0.16, 0.32]);
  expect(await images.receive({ waitSeconds: 0.5 })).toEqual([]);
  expect([images.size(), dead.size()]).toEqual([0, 1]);
});

it('puts a job back any number of times without using up its deliveries', async () => {
  for (let time = 0; time < 10; time++) {
    const held = await receive();
    expect(held.alone).toBe(false);
    await putBackWhileRunning(held);
  }
  expect([images.size(), dead.size()]).toEqual([1, 0]);
});

it('puts a job back before its message may be hidden no longer, the new message first', async () => {
  const done: string[] = [];
  const watched: Queue = {
    ...images,
    send: (...message) => images.send(...message).then(() => void done.push('sent')),
    delete: (receipt) => images.delete(receipt).then(() => void done.push('deleted')),
  };
  services = { ...services, queues: { ...services.queues, images: watched }, maxVisibilitySeconds: 0.05 };
  const begun = performance.now();
  await (await receive()).work(untilReleased);
  expect(performance.now() - begun).toBeGreaterThan(45);
  expect(done).toEqual(['sent', 'deleted']);
  expect((await images.receive())[0]).toMatchObject({ body: JSON.stringify(job), receiveCount: 1 });
});

it('keeps the message when no new one can be sent', async () => {
  const broken: Queue = {
    ...images,
    send: async () => {
      throw new Error('out of reach');
    },
  };
  services = { ...services, queues: { ...services.queues, images: broken } };
  await putBackWhileRunning(await receive());
  expect((await images.receive({ waitSeconds: 1 }))[0]).toMatchObject({ body: JSON.stringify(job), receiveCount: 2 });
});

it('remembers a suspicion over a job that was put back unbegun, and forgets it when the job ran', async () => {
  await images.receive({ visibilitySeconds: 0 });
  const suspect = await receive();
  expect(suspect.alone).toBe(true);
  await suspect.putBack();
  const again = await receive();
  expect(again.alone).toBe(true);
  let toldSo: boolean | undefined;
  const ended = again.work((asked, stop) => {
    toldSo = asked.alone;
    return untilReleased(asked, stop);
  });
  again.release();
  await ended;
  expect(toldSo).toBe(true);
  expect((await receive()).alone).toBe(false);
});

it.each([
  // onnxruntime 1.30 on a CPU whose process was bounded by ulimit -v
  [
    "Error: Non-zero status code returned while running Mul node. Name:'' Status Message: bfc_arena.cc:360 Failed to allocate memory for requested buffer of size 134217728",
    true,
  ],
  ['std::bad_alloc', true],
  ['CUDA failure 2: out of memory ; GPU=0 ; hostname=worker', true],
  ['RangeError: Array buffer allocation failed', true],
  ['Error: Non-zero status code returned while running Conv node. Status Message: Input channels C is not equal', false],
])('tells whether memory ran out: %s', (message, expected) => {
  expect(isOutOfMemory(new Error(message))).toBe(expected);
});
