import type { TrainingEvent } from '@loraloom/jobs';
import { memoryBucket } from '@loraloom/jobs/bucket/memory';
import { expect, it } from 'vitest';
import { openEvents } from './events.ts';

const step = (number: number) => ({ type: 'step', step: number, loss: 0.5, learning_rate: 1 }) as const;

/** Events over a clock of our own, and how many parts there are. */
function open() {
  const bucket = memoryBucket();
  const clock = { now: Date.parse('2026-01-01T00:00:00Z') };
  const errors: unknown[] = [];
  const events = openEvents(bucket, (part) => `part-${part}`, { clock: () => clock.now, failed: (error) => errors.push(error) });
  const parts = async () => (await bucket.list('part-')).keys.length;
  return { bucket, clock, errors, events, parts };
}

it('writes a part a second at most, and what is left when asked to', async () => {
  const { bucket, clock, events, parts } = open();
  for (let i = 1; i <= 100; i++) {
    clock.now += 100;
    events.add(step(i));
    await events.flush();
  }
  // Ten seconds.
  expect(await parts()).toBe(10);
  events.add(step(101));
  await events.flush(true);
  await events.flush(true);
  expect(await parts()).toBe(11);
  const told: TrainingEvent[] = [];
  for (let part = 0; part < 11; part++) {
    const text = new TextDecoder().decode((await bucket.getBytes(`part-${part}`))?.bytes);
    told.push(
      ...text
        .trim()
        .split('\n')
        .map((line): TrainingEvent => JSON.parse(line)),
    );
  }
  expect(told.map((event) => event.type === 'step' && event.step)).toEqual(Array.from({ length: 101 }, (_, i) => i + 1));
  expect(told[0]?.at).toBe('2026-01-01T00:00:00.100Z');
});

it('writes some hundreds of parts a day', async () => {
  const { clock, events, parts } = open();
  for (let i = 1; i <= 24 * 3600; i += 5) {
    clock.now += 5000;
    events.add(step(i));
    await events.flush();
  }
  expect(await parts()).toBeLessThan(800);
});

it('loses nothing when a part cannot be written', async () => {
  const { bucket, clock, errors, events } = open();
  const put = bucket.put;
  bucket.put = async () => {
    throw new Error('out of reach');
  };
  events.add(step(1));
  await events.flush(true);
  expect(errors.length).toBe(1);
  bucket.put = put;
  events.add(step(2));
  clock.now += 1000;
  await events.flush();
  const text = new TextDecoder().decode((await bucket.getBytes('part-0'))?.bytes);
  expect(text.match(/"step":\d/g)).toEqual(['"step":1', '"step":2']);
});
