import type { Api } from './api.ts';
import type { Gpu } from './gpu.ts';
import type { Queues } from './queues.ts';
import type { Workers } from './worker.ts';

interface Needs {
  api: Api;
  queues: Queues;
  gpu: Gpu;
  workers: Workers;
}

/** One page of CloudWatch: what waits and for how long, what works on it, and what the API says. */
export function createDashboard({ api, queues, gpu, workers }: Needs) {
  const region = aws.getRegionOutput().region;
  const named = Object.entries(queues);
  const ofQueues = (metricName: string, which: 'live' | 'dead', stat: string) => ({
    stat,
    metrics: named.map(([kind, pair]) => ['AWS/SQS', metricName, 'QueueName', pair[which].nodes.queue.name, { label: kind }]),
  });
  const graphs = {
    'Jobs waiting': ofQueues('ApproximateNumberOfMessagesVisible', 'live', 'Maximum'),
    'Jobs worked on': ofQueues('ApproximateNumberOfMessagesNotVisible', 'live', 'Maximum'),
    'Seconds since the oldest was sent': ofQueues('ApproximateAgeOfOldestMessage', 'live', 'Maximum'),
    'Dead letters': ofQueues('NumberOfMessagesReceived', 'dead', 'Sum'),
    'GPU machines and workers': {
      stat: 'Average',
      metrics: [
        ['AWS/AutoScaling', 'GroupInServiceInstances', 'AutoScalingGroupName', gpu.group.name, { label: 'machines' }],
        ...Object.entries(workers).map(([kind, { name }]) => [
          'ECS/ContainerInsights',
          'RunningTaskCount',
          'ClusterName',
          gpu.cluster.name,
          'ServiceName',
          name,
          { label: kind },
        ]),
      ],
    },
    API: {
      stat: 'Sum',
      metrics: ['Count', '4xx', '5xx'].map((metric) => ['AWS/ApiGateway', metric, 'ApiId', api.nodes.api.id, { label: metric }]),
    },
    'API, milliseconds': {
      stat: 'p99',
      metrics: [['AWS/ApiGateway', 'Latency', 'ApiId', api.nodes.api.id, { label: 'p99' }]],
    },
  };
  const widgets = Object.entries(graphs).map(([title, graph], i) => ({
    type: 'metric',
    x: (i % 2) * 12,
    y: Math.floor(i / 2) * 6,
    width: 12,
    height: 6,
    properties: { title, region, period: 60, ...graph },
  }));
  return new aws.cloudwatch.Dashboard('Dashboard', {
    dashboardName: `${$app.name}-${$app.stage}`,
    dashboardBody: $jsonStringify({ widgets }),
  });
}
