import type { Bucket } from './bucket.ts';
import { type Gpu, modelsFolder } from './gpu.ts';
import type { Image } from './image.ts';
import { type Queues, queueUrls } from './queues.ts';
import { pictureThresholdsOf, type Stage } from './stage.ts';

interface Needs {
  bucket: Bucket;
  queues: Queues;
  gpu: Gpu;
  image: Image;
}

/** The worker program as two services, one for each queue, that differ in nothing else. Both begin at zero tasks. */
export function createWorkers({ pictureDays, moderation }: Stage, needs: Needs) {
  const logs = new aws.cloudwatch.LogGroup('WorkerLogs', {
    name: `/${$app.name}/${$app.stage}/worker`,
    retentionInDays: 30,
  });
  const roles = createRoles(needs);
  return {
    trainings: createWorker('trainings', { ...needs, pictureDays, moderation, logs, ...roles }),
    images: createWorker('images', { ...needs, pictureDays, moderation, logs, ...roles }),
  };
}
export type Workers = ReturnType<typeof createWorkers>;

function createRoles({ bucket, queues, gpu }: Needs) {
  const assumeRolePolicy = aws.iam.assumeRolePolicyForPrincipal({ Service: 'ecs-tasks.amazonaws.com' });
  // Used by ECS itself, to pull the image and write the log.
  const executionRole = new aws.iam.Role('WorkerExecutionRole', {
    assumeRolePolicy,
    managedPolicyArns: ['arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy'],
  });

  const objects = (...patterns: string[]) => patterns.map((pattern) => $interpolate`${bucket.arn}/${pattern}`);
  const accountId = aws.getCallerIdentityOutput().accountId;
  const region = aws.getRegionOutput().region;
  const taskRole = new aws.iam.Role('WorkerTaskRole', { assumeRolePolicy });
  new aws.iam.RolePolicy('WorkerTaskPolicy', {
    role: taskRole.id,
    policy: aws.iam.getPolicyDocumentOutput({
      statements: [
        { actions: ['s3:GetObject'], resources: objects('tenants/*', 'models/*', 'outbox/*') },
        {
          actions: ['s3:PutObject', 's3:AbortMultipartUpload'],
          resources: objects(
            'tenants/*/trainings/*',
            'tenants/*/images/*',
            'tenants/*/loras/*',
            'pictures/*',
            'paces/*',
            'outbox/webhooks/*',
          ),
        },
        {
          actions: ['s3:DeleteObject'],
          resources: objects('tenants/*/trainings/*/checkpoint.safetensors', 'outbox/*', 'paces/*'),
        },
        // Without it S3 answers 403, not 404, for an object that is not there.
        { actions: ['s3:ListBucket'], resources: [bucket.arn] },
        {
          actions: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility'],
          resources: [queues.trainings.live.arn, queues.images.live.arn],
        },
        // The outbox is swept by workers, ends are told, and a training longer than a message may live is sent anew.
        { actions: ['sqs:SendMessage'], resources: Object.values(queues).map(({ live }) => live.arn) },
        // A worker in the middle of a job asks not to be the one that is scaled in.
        {
          actions: ['ecs:GetTaskProtection', 'ecs:UpdateTaskProtection'],
          resources: [$interpolate`arn:aws:ecs:${region}:${accountId}:task/${gpu.cluster.name}/*`],
        },
      ],
    }).json,
  });
  return { executionRole, taskRole };
}

type Parts = Needs &
  ReturnType<typeof createRoles> &
  Pick<Stage, 'pictureDays' | 'moderation'> & { logs: aws.cloudwatch.LogGroup };

function createWorker(
  queue: 'trainings' | 'images',
  { bucket, queues, gpu, image, pictureDays, moderation, logs, executionRole, taskRole }: Parts,
) {
  const title = queue === 'trainings' ? 'Trainings' : 'Images';
  const name = `${$app.name}-${$app.stage}-${queue}`;
  const region = aws.getRegionOutput().region;

  // What gpu-worker/src/main.ts reads.
  const environment = {
    NODE_ENV: 'production',
    AWS_REGION: region,
    BUCKET: bucket.name,
    ...queueUrls(queues),
    QUEUES: queue,
    MODELS_DIR: '/models',
    EXECUTION_PROVIDER: 'cuda',
    PICTURE_DAYS: String(pictureDays),
    ...pictureThresholdsOf(moderation),
  };
  const task = new aws.ecs.TaskDefinition(`${title}Task`, {
    family: name,
    requiresCompatibilities: ['EC2'],
    networkMode: 'bridge', // With awsvpc a task has no public address, and would need a NAT.
    executionRoleArn: executionRole.arn,
    taskRoleArn: taskRole.arn,
    volumes: [{ name: 'models', hostPath: modelsFolder }],
    containerDefinitions: $jsonStringify([
      {
        name: 'worker',
        image,
        essential: true,
        memory: 13_000, // MiB of the 16 GiB that the smallest machine has
        resourceRequirements: [{ type: 'GPU', value: '1' }],
        linuxParameters: { initProcessEnabled: true },
        stopTimeout: 110, // seconds, of the 120 that a reclaimed spot machine has left
        healthCheck: { command: ['CMD', 'nvidia-smi', '-L'], interval: 60, timeout: 20, retries: 3, startPeriod: 60 },
        mountPoints: [{ sourceVolume: 'models', containerPath: '/models' }],
        environment: Object.entries(environment).map(([key, value]) => ({ name: key, value })),
        logConfiguration: {
          logDriver: 'awslogs',
          options: { 'awslogs-group': logs.name, 'awslogs-region': region, 'awslogs-stream-prefix': queue, mode: 'non-blocking' },
        },
      },
    ]),
  });
  return new aws.ecs.Service(
    `${title}Worker`,
    {
      name,
      cluster: gpu.cluster.arn,
      taskDefinition: task.arn,
      desiredCount: 0,
      capacityProviderStrategies: [{ capacityProvider: gpu.capacity.name, weight: 1 }],
      // With more than 0 %, a task on a machine that is being reclaimed would be kept until its replacement runs: too late.
      deploymentMinimumHealthyPercent: 0,
      deploymentMaximumPercent: 100,
      propagateTags: 'SERVICE',
    },
    { ignoreChanges: ['desiredCount'], dependsOn: [gpu.attachment] },
  );
}
