import { z } from 'zod';

/** Calls an AWS service in its JSON protocol, e.g. `call('sqs', 'AmazonSQS.GetQueueAttributes', {…})`. */
export type AwsCall = (service: 'sqs' | 'ecs', target: string, input: object) => Promise<unknown>;

/** A queue, and the ECS service whose tasks work on it. */
export const workerSchema = z.object({ queue_url: z.url(), service: z.string() });

const attributesSchema = z.object({ Attributes: z.object({ ApproximateNumberOfMessages: z.coerce.number() }) });
const servicesSchema = z.object({ services: z.array(z.object({ serviceName: z.string(), desiredCount: z.number() })) });

const ecs = 'AmazonEC2ContainerServiceV20141113';

/**
 * Starts the first worker of every queue that has messages waiting and none. From one upwards, and back to none,
 * is what auto scaling does; it reacts to ratios, so it cannot leave zero.
 * @returns the services that were started
 */
export async function wake(call: AwsCall, cluster: string, workers: z.infer<typeof workerSchema>[]): Promise<string[]> {
  const waiting = await Promise.all(
    workers.map(async ({ queue_url }) => {
      const input = { QueueUrl: queue_url, AttributeNames: ['ApproximateNumberOfMessages'] };
      const answer = attributesSchema.parse(await call('sqs', 'AmazonSQS.GetQueueAttributes', input));
      return answer.Attributes.ApproximateNumberOfMessages;
    }),
  );
  const wanted = workers.filter((_, i) => (waiting[i] ?? 0) > 0).map(({ service }) => service);
  if (wanted.length === 0) return [];

  const { services } = servicesSchema.parse(await call('ecs', `${ecs}.DescribeServices`, { cluster, services: wanted }));
  const asleep = services.filter(({ desiredCount }) => desiredCount === 0).map(({ serviceName }) => serviceName);
  for (const service of asleep) await call('ecs', `${ecs}.UpdateService`, { cluster, service, desiredCount: 1 });
  return asleep;
}
