import { expect, test } from 'vitest';
import { type AwsCall, wake } from './wake.ts';

const workers = ['trainings', 'images'].map((name) => ({ queue_url: `https://sqs.example/1/${name}`, service: name }));

/** Answers as AWS does (numbers as strings in SQS), and notes what was changed. */
function cloud(waiting: Record<string, number>, desired: Record<string, number>) {
  const changes: object[] = [];
  const calls: string[] = [];
  const call: AwsCall = async (_, target, input) => {
    calls.push(target);
    if (target === 'AmazonSQS.GetQueueAttributes' && 'QueueUrl' in input) {
      const name = `${input.QueueUrl}`.split('/').at(-1) ?? '';
      return { Attributes: { ApproximateNumberOfMessages: `${waiting[name]}` } };
    }
    if (target.endsWith('.DescribeServices') && 'services' in input && Array.isArray(input.services)) {
      return {
        services: input.services.map((name: string) => ({ serviceName: name, desiredCount: desired[name] })),
        failures: [],
      };
    }
    changes.push(input);
    return {};
  };
  return { call, changes, calls };
}

test('a queue with work and no worker gets one; one that has workers keeps its number', async () => {
  const { call, changes } = cloud({ trainings: 3, images: 5 }, { trainings: 0, images: 4 });
  expect(await wake(call, 'gpu', workers)).toEqual(['trainings']);
  expect(changes).toEqual([{ cluster: 'gpu', service: 'trainings', desiredCount: 1 }]);
});

test('nothing waits: two questions, no change', async () => {
  const { call, changes, calls } = cloud({ trainings: 0, images: 0 }, { trainings: 0, images: 0 });
  expect(await wake(call, 'gpu', workers)).toEqual([]);
  expect(changes).toEqual([]);
  expect(calls).toEqual(['AmazonSQS.GetQueueAttributes', 'AmazonSQS.GetQueueAttributes']);
});
