import type { Gpu } from './gpu.ts';
import type { Queues } from './queues.ts';
import type { Stage } from './stage.ts';
import type { Workers } from './worker.ts';

interface Needs {
  queues: Queues;
  gpu: Gpu;
  workers: Workers;
}

/** As many workers as there is work for, and none when there is none. */
export function createScaling({ gpu: { maxWorkers, jobsPerWorker } }: Stage, needs: Needs) {
  followQueue('Trainings', 'trainings', maxWorkers.trainings, jobsPerWorker.trainings, needs);
  followQueue('Images', 'images', maxWorkers.images, jobsPerWorker.images, needs);
  createWaker(needs);
}

/** From one worker upwards, and back to none. */
function followQueue(title: string, kind: keyof Workers, most: number, jobsPerWorker: number, { queues, gpu, workers }: Needs) {
  const target = new aws.appautoscaling.Target(`${title}Workers`, {
    serviceNamespace: 'ecs',
    scalableDimension: 'ecs:service:DesiredCount',
    resourceId: $interpolate`service/${gpu.cluster.name}/${workers[kind].name}`,
    minCapacity: 0,
    maxCapacity: most,
  });
  const dimensions = [{ name: 'QueueName', value: queues[kind].live.nodes.queue.name }];
  const jobs = (id: string, metricName: string) => ({
    id,
    returnData: false,
    metricStat: { metric: { namespace: 'AWS/SQS', metricName, dimensions }, stat: 'Maximum' },
  });
  new aws.appautoscaling.Policy(`${title}PerWorker`, {
    policyType: 'TargetTrackingScaling',
    serviceNamespace: target.serviceNamespace,
    scalableDimension: target.scalableDimension,
    resourceId: target.resourceId,
    targetTrackingScalingPolicyConfiguration: {
      targetValue: jobsPerWorker,
      scaleOutCooldown: 120,
      scaleInCooldown: 300,
      customizedMetricSpecification: {
        metrics: [
          jobs('waiting', 'ApproximateNumberOfMessagesVisible'),
          // A job that is being worked on counts, or its worker would look idle.
          jobs('running', 'ApproximateNumberOfMessagesNotVisible'),
          {
            id: 'workers',
            returnData: false,
            metricStat: {
              metric: {
                namespace: 'ECS/ContainerInsights',
                // Not those that run: while the wished-for ones start they would be wished for again, and again.
                metricName: 'DesiredTaskCount',
                dimensions: [
                  { name: 'ClusterName', value: gpu.cluster.name },
                  { name: 'ServiceName', value: workers[kind].name },
                ],
              },
              stat: 'Average',
            },
          },
          {
            id: 'load',
            returnData: true,
            label: 'jobs per worker',
            expression: '(FILL(waiting,0)+FILL(running,0))/IF(FILL(workers,0)>1,FILL(workers,0),1)',
          },
        ],
      },
    },
  });
}

/** The first worker: multiplying nothing by anything is nothing, so target tracking never leaves zero by itself. */
function createWaker({ queues, gpu, workers }: Needs) {
  const kinds = ['trainings', 'images'] as const;
  new sst.aws.CronV2('Waker', {
    schedule: 'rate(1 minute)',
    function: {
      handler: 'functions/src/waker.handler',
      runtime: 'nodejs24.x',
      memory: '256 MB',
      timeout: '30 seconds',
      environment: {
        CLUSTER: gpu.cluster.name,
        WORKERS: $jsonStringify(kinds.map((kind) => ({ queue_url: queues[kind].live.url, service: workers[kind].name }))),
      },
      permissions: [
        { actions: ['sqs:GetQueueAttributes'], resources: kinds.map((kind) => queues[kind].live.arn) },
        { actions: ['ecs:DescribeServices', 'ecs:UpdateService'], resources: kinds.map((kind) => workers[kind].arn) },
      ],
    },
  });
}
