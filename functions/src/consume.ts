import type { Queue } from '@loraloom/jobs';
import type { z } from 'zod';
import { handleEach } from './queue-event.ts';

type Log = (line: Record<string, unknown>) => void;

/**
 * Reads a message and handles it. What is not one of ours is logged and dropped: it would not become one by coming again.
 * @throws whatever `handle` does, which leaves the message to its queue
 */
export async function consume<Message>(
  body: string,
  schema: z.ZodType<Message>,
  handle: (message: Message) => Promise<void>,
  log: Log,
): Promise<void> {
  let message: Message;
  try {
    message = schema.parse(JSON.parse(body));
  } catch {
    log({ level: 'error', message: 'not a message of this queue, dropped', body: body.slice(0, 200) });
    return;
  }
  await handle(message);
}

/** Seconds until a message whose handling failed comes again, of a queue that hides messages for much longer. */
const retrySeconds = 60;

/**
 * A Lambda handler of a queue's messages, for an event source that reports single failures (`ReportBatchItemFailures`).
 * @param queue where what failed is to be seen again soon; default: when its queue has hidden it long enough
 */
export function queueHandler<Message>(
  schema: z.ZodType<Message>,
  handle: (message: Message) => Promise<void>,
  log: Log,
  queue?: Pick<Queue, 'extend'>,
) {
  const handleOne = async (body: string, receipt: string) => {
    try {
      await consume(body, schema, handle, log);
    } catch (error) {
      await queue?.extend(receipt, retrySeconds).catch(() => undefined);
      throw error;
    }
  };
  return (event: unknown) => handleEach(event, handleOne, log);
}
