import type { Api } from './api.ts';
import type { Gpu } from './gpu.ts';
import type { Queues } from './queues.ts';
import type { Stage } from './stage.ts';

interface Needs {
  api: Api;
  queues: Queues;
  gpu: Gpu;
}

type Metric = Pick<aws.cloudwatch.MetricAlarmArgs, 'namespace' | 'metricName' | 'dimensions' | 'statistic'>;

const minute = 60;
const hour = 60 * minute;

/** Calls, by a topic to which whoever is in ALARM_EMAIL is subscribed, when work is stuck or lost, or money runs out. */
export function createAlarms(stage: Stage, { api, queues, gpu }: Needs) {
  const topic = createTopic();
  const alarm = (name: string, description: string, metric: Metric, periodSeconds: number, periods: number, least: number) =>
    new aws.cloudwatch.MetricAlarm(name, {
      ...metric,
      alarmDescription: description,
      comparisonOperator: 'GreaterThanOrEqualToThreshold',
      threshold: least,
      period: periodSeconds,
      evaluationPeriods: periods,
      treatMissingData: 'notBreaching', // A queue that nobody uses, and a group of no machines, say nothing.
      alarmActions: [topic.arn],
      okActions: [topic.arn],
    });
  const ofQueue = (queue: sst.aws.Queue, metricName: string, statistic: string): Metric => {
    return { namespace: 'AWS/SQS', metricName, statistic, dimensions: { QueueName: queue.nodes.queue.name } };
  };

  for (const [kind, { live, dead }] of Object.entries(queues)) {
    const title = kind[0]?.toUpperCase() + kind.slice(1);
    // A function empties the dead letters of jobs as they come, so what counts is that it was given some.
    const emptied = kind === 'trainings' || kind === 'images';
    const letters = emptied
      ? ofQueue(dead, 'NumberOfMessagesReceived', 'Sum')
      : ofQueue(dead, 'ApproximateNumberOfMessagesVisible', 'Maximum');
    alarm(
      `${title}DeadLetter`,
      `${kind}: something failed five times and was given up on; see the log`,
      letters,
      5 * minute,
      1,
      1,
    );
    if (kind === 'images') {
      const age = ofQueue(live, 'ApproximateAgeOfOldestMessage', 'Maximum');
      const description = 'images: the oldest has been waiting for 15 minutes: no machine, or too few?';
      alarm('ImagesStuck', description, age, minute, 1, 15 * minute);
    } else {
      // The age counts from the sending: also of what is being worked on, which a training is for longer, and of what is sent
      // with a delay, as a webhook that is to be tried again.
      const waiting = ofQueue(live, 'ApproximateNumberOfMessagesVisible', 'Minimum');
      alarm(`${title}Stuck`, `${kind}: for 15 minutes there were always some waiting`, waiting, minute, 15, 1);
    }
  }
  const errors = { namespace: 'AWS/ApiGateway', metricName: '5xx', statistic: 'Sum', dimensions: { ApiId: api.nodes.api.id } };
  alarm('ApiErrors', 'the API failed at five or more requests within five minutes; see its log', errors, 5 * minute, 1, 5);
  const machines = {
    namespace: 'AWS/AutoScaling',
    metricName: 'GroupInServiceInstances',
    statistic: 'Minimum',
    dimensions: { AutoScalingGroupName: gpu.group.name },
  };
  alarm(
    'GpuNeverZero',
    'for six hours there was always a GPU machine: is there so much work, or does one hang?',
    machines,
    hour,
    6,
    1,
  );

  new aws.budgets.Budget('Budget', {
    budgetType: 'COST',
    timeUnit: 'MONTHLY',
    limitAmount: `${stage.budget}`,
    limitUnit: 'USD',
    // Of the whole account: a filter by tag counts nothing until somebody has made the tag one that is billed by.
    notifications: [
      {
        comparisonOperator: 'GREATER_THAN',
        threshold: 80,
        thresholdType: 'PERCENTAGE',
        notificationType: 'ACTUAL',
        subscriberSnsTopicArns: [topic.arn],
      },
      {
        comparisonOperator: 'GREATER_THAN',
        threshold: 100,
        thresholdType: 'PERCENTAGE',
        notificationType: 'FORECASTED',
        subscriberSnsTopicArns: [topic.arn],
      },
    ],
  });
  return topic;
}

/** Where alarms go. Its policy, which takes the place of the usual one, lets in only what calls. */
function createTopic() {
  const topic = new aws.sns.Topic('Alarms', { name: `${$app.name}-${$app.stage}-alarms` });
  const accountId = aws.getCallerIdentityOutput().accountId;
  new aws.sns.TopicPolicy('AlarmsPolicy', {
    arn: topic.arn,
    policy: aws.iam.getPolicyDocumentOutput({
      statements: [
        {
          actions: ['sns:Publish'],
          resources: [topic.arn],
          principals: [{ type: 'Service', identifiers: ['cloudwatch.amazonaws.com', 'budgets.amazonaws.com'] }],
          conditions: [{ test: 'StringEquals', variable: 'aws:SourceAccount', values: [accountId] }],
        },
      ],
    }).json,
  });
  if (process.env.ALARM_EMAIL) {
    new aws.sns.TopicSubscription('AlarmsEmail', { topic: topic.arn, protocol: 'email', endpoint: process.env.ALARM_EMAIL });
  }
  return topic;
}
