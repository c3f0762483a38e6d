import { CreateQueueCommand, type SQSClient } from '@aws-sdk/client-sqs';

/** A queue and its dead letters, made unless they are there. */
export async function createQueue(client: SQSClient, name: string): Promise<{ url: string; deadUrl: string }> {
  const create = async (QueueName: string, Attributes: Record<string, string>) => {
    const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName, Attributes }));
    if (!QueueUrl) throw new Error(`queue ${QueueName} has no URL`);
    return QueueUrl;
  };
  const deadUrl = await create(`${name}-dead`, { MessageRetentionPeriod: '1209600' });
  const deadLetterTargetArn = `arn:aws:sqs:us-east-1:000000000000:${name}-dead`;
  const url = await create(name, { RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 5 }) });
  return { url, deadUrl };
}
