import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { Queue } from './port.ts';

/**
 * A queue through the AWS SDK.
 * @param url the queue's, as SQS gives it
 */
export function sdkQueue(client: SQSClient, url: string): Queue {
  return {
    async send(body, { delaySeconds, group } = {}) {
      await client.send(
        new SendMessageCommand({
          QueueUrl: url,
          MessageBody: body,
          ...(delaySeconds === undefined ? {} : { DelaySeconds: delaySeconds }),
          ...(group === undefined ? {} : { MessageGroupId: group }),
        }),
      );
    },

    async receive({ maxMessages = 1, waitSeconds = 0, visibilitySeconds, signal } = {}) {
      if (signal?.aborted) return [];
      const command = new ReceiveMessageCommand({
        QueueUrl: url,
        MaxNumberOfMessages: maxMessages,
        WaitTimeSeconds: waitSeconds,
        MessageSystemAttributeNames: ['ApproximateReceiveCount'],
        ...(visibilitySeconds === undefined ? {} : { VisibilityTimeout: visibilitySeconds }),
      });
      try {
        const { Messages = [] } = await client.send(command, signal ? { abortSignal: signal } : {});
        return Messages.map(({ ReceiptHandle = '', Body = '', Attributes }) => ({
          receipt: ReceiptHandle,
          body: Body,
          receiveCount: Number(Attributes?.ApproximateReceiveCount ?? 1),
        }));
      } catch (error) {
        if (signal?.aborted) return [];
        throw error;
      }
    },

    async extend(receipt, seconds) {
      await client.send(
        new ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle: receipt, VisibilityTimeout: seconds }),
      );
    },

    async waiting() {
      const command = new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['ApproximateNumberOfMessages'] });
      const { Attributes = {} } = await client.send(command);
      return Number(Attributes.ApproximateNumberOfMessages ?? 0);
    },

    async delete(receipt) {
      await client.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: receipt }));
    },
  };
}
