import { z } from 'zod';

/** What Lambda passes on of an SQS queue, as far as we look at it. */
const eventSchema = z.object({ Records: z.array(z.object({ messageId: z.string(), body: z.string() })) });

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
  return async (event: unknown): Promise<{ batchItemFailures: { itemIdentifier: string }[] }> => {
    const failures: { itemIdentifier: string }[] = [];
    for (const { messageId, body } of eventSchema.parse(event).Records) {
      await consume(body, schema, handle, log).catch((error) => {
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
        log({ level: 'error', message: 'message left to be tried again', body: body.slice(0, 200), error: text });
        failures.push({ itemIdentifier: messageId });
      });
    }
    return { batchItemFailures: failures };
  };
}
