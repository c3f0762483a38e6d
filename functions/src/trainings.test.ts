import { keys, trainings, updateRecord } from '@loraloom/jobs';
import { expect, test } from 'vitest';
import { testApp } from './test-app.ts';

async function aTraining() {
  const app = await testApp();
  const files = [{ file_id: await app.upload(), caption: 'red apple' }];
  const { id } = await (await app.call('POST', '/v1/trainings', { model: 'emoji', name: 'style', files })).json();
  return { ...app, id };
}

test('a training shows what was made on the way, each with a URL', async () => {
  const { call, bucket, id, beta } = await aTraining();
  const checkpoint = { step: 100, loss: 0.1, validation_loss: null, size_bytes: 3, sha256: 'ab' };
  const sample = { step: 100, index: 1, prompt: 'a cat' };
  await updateRecord(bucket, keys.jobRecord('trainings', 'alpha', id), trainings.record, (job) => ({
    ...job,
    checkpoints: [checkpoint],
    samples: [sample],
  }));
  await bucket.put(keys.checkpointLora('alpha', id, 100), new Uint8Array([7]));
  await bucket.put(keys.sample('alpha', id, 100, 1), new Uint8Array([8]));
  const job = await (await call('GET', `/v1/trainings/${id}`)).json();
  expect(job).toMatchObject({ checkpoints: [checkpoint], samples: [sample], best_step: null });
  for (const [url, wanted] of [[job.checkpoints[0].url, 7] as const, [job.samples[0].url, 8] as const])
    expect(new Uint8Array(await (await bucket.fetch(url)).arrayBuffer())).toEqual(new Uint8Array([wanted]));
  expect((await call('GET', `/v1/trainings/${id}`, undefined, beta)).status).toBe(404);
});

test('its events are told from where the caller has read them', async () => {
  const { call, bucket, id, beta } = await aTraining();
  const events = `/v1/trainings/${id}/events`;
  expect(await (await call('GET', events)).json()).toEqual({ object: 'list', data: [], next: null });
  const step = (number: number) => ({ type: 'step', at: '2026-01-01T00:00:00.000Z', step: number, loss: 0.5, learning_rate: 1 });
  const write = (attempt: number, part: number, ...steps: number[]) =>
    bucket.put(
      keys.eventsPart('alpha', id, attempt, part),
      new TextEncoder().encode(steps.map((number) => `${JSON.stringify(step(number))}\n`).join('')),
    );
  await write(1, 0, 1, 2);
  await write(1, 1, 3);
  const first = await (await call('GET', events)).json();
  expect(first).toEqual({ object: 'list', data: [step(1), step(2), step(3)], next: '000001-000001' });
  // A second attempt, which went on from step 2
  await write(2, 0, 3, 4);
  const second = await (await call('GET', `${events}?after=${first.next}`)).json();
  expect(second).toEqual({ object: 'list', data: [step(3), step(4)], next: '000002-000000' });
  expect(await (await call('GET', `${events}?after=${second.next}`)).json()).toEqual({ ...second, data: [] });
  expect((await call('GET', events, undefined, beta)).status).toBe(404);
});
