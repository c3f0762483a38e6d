import { z } from 'zod';
import { type AwsAccess, AwsError, signedFetch } from '../aws.ts';
import type { Queue } from './port.ts';

const receivedSchema = z.object({
  Messages: z
    .array(
      z.object({
        ReceiptHandle: z.string(),
        Body: z.string(),
        Attributes: z.object({ ApproximateReceiveCount: z.coerce.number() }),
      }),
    )
    .optional(),
});

const attributesSchema = z.object({ Attributes: z.object({ ApproximateNumberOfMessages: z.coerce.number() }) });

/**
 * A queue through signed `fetch`, in SQS's JSON protocol.
 * @param url the queue's, as SQS gives it
 */
export function fetchQueue(access: AwsAccess, url: string): Queue {
  async function call(action: string, input: object, signal?: AbortSignal): Promise<unknown> {
    const answer = await signedFetch(access, 'sqs', {
      method: 'POST',
      url: `${access.endpoint}/`,
      headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `AmazonSQS.${action}` },
      body: JSON.stringify({ QueueUrl: url, ...input }),
      signal,
    });
    const text = await answer.text();
    if (!answer.ok) throw new AwsError(`${action} ${url}`, answer.status, text);
    return text === '' ? {} : JSON.parse(text);
  }

  return {
    async send(body, { delaySeconds, group } = {}) {
      await call('SendMessage', {
        MessageBody: body,
        ...(delaySeconds === undefined ? {} : { DelaySeconds: delaySeconds }),
        ...(group === undefined ? {} : { MessageGroupId: group }),
      });
    },

    async receive({ maxMessages = 1, waitSeconds = 0, visibilitySeconds, signal } = {}) {
      if (signal?.aborted) return [];
      const input = {
        MaxNumberOfMessages: maxMessages,
        WaitTimeSeconds: waitSeconds,
        MessageSystemAttributeNames: ['ApproximateReceiveCount'],
        ...(visibilitySeconds === undefined ? {} : { VisibilityTimeout: visibilitySeconds }),
      };
      try {
        const { Messages = [] } = receivedSchema.parse(await call('ReceiveMessage', input, signal));
        return Messages.map((message) => ({
          receipt: message.ReceiptHandle,
          body: message.Body,
          receiveCount: message.Attributes.ApproximateReceiveCount,
        }));
      } catch (error) {
        if (signal?.aborted) return [];
        throw error;
      }
    },

    async extend(receipt, seconds) {
      await call('ChangeMessageVisibility', { ReceiptHandle: receipt, VisibilityTimeout: seconds });
    },

    async waiting() {
      const input = { AttributeNames: ['ApproximateNumberOfMessages'] };
      const { Attributes } = attributesSchema.parse(await call('GetQueueAttributes', input));
      return Attributes.ApproximateNumberOfMessages;
    },

    async delete(receipt) {
      await call('DeleteMessage', { ReceiptHandle: receipt });
    },
  };
}
