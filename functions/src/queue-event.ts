import { z } from 'zod';

/** What Lambda passes on from a queue; only what is read. */
const eventSchema = z.object({
  Records: z.array(z.object({ messageId: z.string(), receiptHandle: z.string(), body: z.string() })),
});

/**
 * Handles each message of the event by itself. Those whose handling throws are named in the answer and come again; without
 * that one bad message would bring back all that were delivered beside it.
 */
export async function handleEach(
  event: unknown,
  handle: (body: string, receipt: string) => Promise<void>,
  log: (line: Record<string, unknown>) => void,
): Promise<{ batchItemFailures: { itemIdentifier: string }[] }> {
  const { Records } = eventSchema.parse(event);
  const failed = await Promise.all(
    Records.map(async ({ messageId, receiptHandle, body }) => {
      try {
        await handle(body, receiptHandle);
        return [];
      } catch (error) {
        log({ level: 'error', message: 'message not handled', message_id: messageId, error: String(error) });
        return [{ itemIdentifier: messageId }];
      }
    }),
  );
  return { batchItemFailures: failed.flat() };
}
