import { expect, test } from 'vitest';
import { handleEach } from './queue-event.ts';

test('the messages that could not be handled come again, and only they', async () => {
  const Records = ['one', 'bad', 'two'].map((body, i) => ({ messageId: `id-${i}`, receiptHandle: 'r', body }));
  const handled: string[] = [];
  const lines: object[] = [];
  const handle = async (body: string) => {
    if (body === 'bad') throw new Error('of no use');
    handled.push(body);
  };
  expect(await handleEach({ Records }, handle, (line) => lines.push(line))).toEqual({
    batchItemFailures: [{ itemIdentifier: 'id-1' }],
  });
  expect(handled).toEqual(['one', 'two']);
  expect(lines).toMatchObject([{ level: 'error', message_id: 'id-1', error: 'Error: of no use' }]);
});

test('an event that is none fails as a whole', async () => {
  await expect(
    handleEach(
      {},
      async () => undefined,
      () => undefined,
    ),
  ).rejects.toThrow();
});
