import { expect, test } from 'vitest';
import { z } from 'zod';
import { queueHandler } from './consume.ts';

test('of a Lambda event only the messages that failed come again; what is no message is dropped and logged', async () => {
  const logged: Record<string, unknown>[] = [];
  const handled: number[] = [];
  const hidden: [string, number][] = [];
  const handler = queueHandler(
    z.object({ n: z.int() }),
    async ({ n }) => {
      if (n % 2 === 1) throw new Error(`odd ${n}`);
      handled.push(n);
    },
    (line) => logged.push(line),
    { extend: async (receipt, seconds) => void hidden.push([receipt, seconds]) },
  );
  const bodies = ['{"n":2}', '{"n":3}', 'nonsense', '{"n":"x"}', '{"n":4}', '{"n":5}'];
  const Records = bodies.map((body, i) => ({ messageId: `m${i}`, receiptHandle: `r${i}`, body }));
  expect(await handler({ Records })).toEqual({ batchItemFailures: [{ itemIdentifier: 'm1' }, { itemIdentifier: 'm5' }] });
  expect(handled).toEqual([2, 4]);
  expect(hidden).toEqual([
    ['r1', 60],
    ['r5', 60],
  ]);
  expect(logged).toHaveLength(4);
});
