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

/** A Lambda handler of a queue's messages, for an event source that reports single failures (`ReportBatchItemFailures`). */
export function queueHandler<Message>(schema: z.ZodType<Message>, handle: (message: Message) => Promise<void>, log: Log) {
  return (event: unknown) => handleEach(event, (body) => consume(body, schema, handle, log), log);
}
