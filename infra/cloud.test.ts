import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { secrets } from './secrets.ts';
import { bundle, invoke } from './testing/bundle.ts';
import { deadJob } from './testing/dead-job.ts';
import type { Cloud } from './testing/evaluate.ts';
import { within } from './testing/found.ts';
import { testPermissions } from './testing/permissions.ts';

const root = join(import.meta.dirname, '..');
const installed = existsSync(join(root, '.sst/platform/node_modules/@pulumi/aws'));
if (!installed)
  console.warn('SKIPPED: the tests of infra/ need SST unpacked; `npm run infra:install` does it (a minute, 330 MB)');

/** What differs between the stages, as stage.ts has it. */
const stages = {
  production: {
    protect: true,
    workers: 8,
    machines: 16,
    pictureDays: 30,
    auditDays: 400,
    budget: '500',
    jobsPerWorker: { Trainings: 1, Images: 80 },
  },
  somebody: {
    protect: false,
    workers: 1,
    machines: 2,
    pictureDays: 7,
    auditDays: 30,
    budget: '50',
    jobsPerWorker: { Trainings: 4, Images: 80 },
  },
};
const kinds = ['Trainings', 'Images'] as const;

describe.skipIf(!installed).each(Object.entries(stages))('the cloud of stage %s', (stage, wanted) => {
  let cloud: Cloud;
  const found = within(() => cloud);
  const { all, one, queueArn, queueName, environmentOf, taskOf } = found;
  const text = (value: unknown) => z.string().parse(value);
  const json = (value: unknown) => JSON.parse(text(value));

  beforeAll(async () => {
    const { evaluate } = await import('./testing/evaluate.ts');
    cloud = await evaluate(stage);
  }, 180_000);

  testPermissions(found);

  test('the bucket is private, outlives production, and lets go of what is of no use any more', () => {
    expect(cloud.app).toMatchObject({ protect: wanted.protect, removal: wanted.protect ? 'retain' : 'remove' });
    expect(one('Bucket', 'BucketBucket').forceDestroy).toBe(!wanted.protect);
    expect(one('BucketPublicAccessBlock', 'Bucket')).toMatchObject({ blockPublicPolicy: true, restrictPublicBuckets: true });
    expect(one('BucketLifecycleConfiguration', 'Bucket').rules).toMatchObject([
      { filter: { prefix: '' }, abortIncompleteMultipartUpload: { daysAfterInitiation: 1 } },
      { filter: { prefix: 'idempotency/' }, expiration: { days: 7 } },
      { filter: { prefix: 'pictures/' }, expiration: { days: wanted.pictureDays } },
      { filter: { prefix: 'audit/' }, expiration: { days: wanted.auditDays } },
      { filter: { prefix: 'paces/' }, expiration: { days: 1 } },
    ]);
  });

  test('the studio is built for this API, and only its pages may call the API or use the bucket', () => {
    const { files } = z
      .object({ files: z.array(z.looseObject({ key: z.string(), source: z.string(), cacheControl: z.string() })) })
      .parse(one('Resource', 'StudioAssetFiles'));
    const page = files.find(({ key }) => key === 'index.html');
    expect(page?.cacheControl).toBe('no-cache');
    const scripts = files.filter(({ key }) => key.endsWith('.js'));
    expect(scripts.map(({ cacheControl }) => cacheControl)).toEqual(scripts.map(() => 'max-age=31536000,public,immutable'));
    const code = globSync(join(root, '.sst/studio/assets/*.js')).map((file) => readFileSync(file, 'utf8'));
    expect(code.join('')).toContain('https://api.execute-api.eu-central-1.amazonaws.com');

    const origins = ['https://studio.cloudfront.net', ...(wanted.protect ? [] : ['http://localhost:5173'])];
    expect(environmentOf('ApiRoute').CORS_ORIGINS).toBe(origins.join(','));
    const [cors] = z.array(z.record(z.string(), z.unknown())).parse(one('BucketCorsConfiguration', 'BucketCors').corsRules);
    expect(cors).toMatchObject({ allowedOrigins: origins, allowedMethods: ['GET', 'PUT'] });
    expect(cors?.allowedHeaders).not.toContain('*');
  });

  test.each(['Trainings', 'Images', 'Batches', 'Webhooks'])(
    '%s: the fifth delivery is the last, then a message is kept for longer',
    (name) => {
      const live = one('Queue', `${name}Queue`);
      expect(json(live.redrivePolicy)).toEqual({ deadLetterTargetArn: queueArn(`${name}Dead`), maxReceiveCount: 5 });
      expect(one('Queue', `${name}DeadQueue`).messageRetentionSeconds).toBeGreaterThan(
        z.number().parse(live.messageRetentionSeconds),
      );
      const { redriveAllowPolicy } = one('RedriveAllowPolicy', `${name}Dead`);
      expect(json(redriveAllowPolicy)).toEqual({ redrivePermission: 'byQueue', sourceQueueArns: [queueArn(name)] });
    },
  );

  test('a function that is given messages answers which of them failed, before they come again', () => {
    const sources = all('EventSourceMapping').map(({ inputs }) => inputs);
    expect(sources.map(({ eventSourceArn }) => eventSourceArn).sort()).toEqual(
      ['ImagesDead', 'TrainingsDead', 'Batches', 'Webhooks'].map(queueArn).sort(),
    );
    for (const { functionResponseTypes } of sources) expect(functionResponseTypes).toEqual(['ReportBatchItemFailures']);
    for (const name of kinds) {
      const hidden = z.number().parse(one('Queue', `${name}DeadQueue`).visibilityTimeoutSeconds);
      expect(one('Function', `${name}DeadSubscriber`).timeout).toBeLessThan(hidden);
    }
    for (const name of ['Batches', 'Webhooks']) {
      const hidden = z.number().parse(one('Queue', `${name}Queue`).visibilityTimeoutSeconds);
      expect(one('Function', `${name}Subscriber`).timeout).toBeLessThan(hidden);
    }
  });

  test('the API as SST builds it answers the gateway: healthy, described, and to nobody without a key', async () => {
    const [api] = cloud.builds.filter(({ handler }) => handler === 'functions/src/lambda.handler');
    if (!api) throw new Error('no API');
    const path = await bundle(api);
    const get = (rawPath: string, headers = {}) => {
      const requestContext = { http: { method: 'GET', path: rawPath } };
      const event = { version: '2.0', rawPath, rawQueryString: '', headers: { host: 'api', ...headers }, requestContext };
      return invoke(path, environmentOf('ApiRoute'), event);
    };
    expect(await get('/healthz')).toMatchObject({ statusCode: 200, body: '{"status":"ok"}' });
    expect(await get('/v1/models')).toMatchObject({ statusCode: 401, body: expect.stringContaining('"unauthorized"') });
    expect(await get('/healthz', { origin: 'https://studio.cloudfront.net' })).toMatchObject({
      headers: { 'access-control-allow-origin': 'https://studio.cloudfront.net' },
    });
    expect(gzipSync(readFileSync(path)).length).toBeLessThan(150_000);
    expect(one('Stage', 'Api').defaultRouteSettings).toEqual(
      wanted.protect
        ? { throttlingRateLimit: 200, throttlingBurstLimit: 400 }
        : { throttlingRateLimit: 20, throttlingBurstLimit: 40 },
    );
  });

  test('the function of the dead letters ends the job whose letter it is given', async () => {
    const [build] = cloud.builds.filter(({ handler }) => handler === 'functions/src/dead-letters.handler');
    if (!build) throw new Error('no function of dead letters');
    const environment = environmentOf('ImagesDeadSubscriber');
    expect(environment.BUCKET).toBe(found.bucketName());
    await using job = await deadJob(found.bucketName());
    // One letter that can be read, one of a record that cannot.
    const event = { Records: [job.letter, job.unreadable].map((body, i) => ({ messageId: `m${i}`, receiptHandle: 'r', body })) };
    expect(await invoke(await bundle(build), { ...environment, AWS_ENDPOINT_URL_S3: job.endpoint }, event)).toEqual({
      batchItemFailures: [{ itemIdentifier: 'm1' }],
    });
    expect(await job.read()).toMatchObject({ status: 'failed', error: { code: 'worker_failed' } });
  });

  test('the functions of batches, webhooks and the outbox start with the environment they are given, and say what is no message', async () => {
    const rows = [
      ['batches-consumer', 'BatchesSubscriber'],
      ['webhooks-consumer', 'WebhooksSubscriber'],
    ] as const;
    for (const [file, name] of rows) {
      const [build] = cloud.builds.filter(({ handler }) => handler === `functions/src/${file}.handler`);
      if (!build) throw new Error(`no ${file}`);
      const event = { Records: [{ messageId: 'm', receiptHandle: 'r', body: 'nonsense' }] };
      expect(await invoke(await bundle(build), environmentOf(name), event)).toEqual({ batchItemFailures: [] });
    }
    expect(environmentOf('SweeperHandler').BATCHES_QUEUE_URL).toContain(queueName('Batches'));
    expect(all('Schedule').map(({ inputs }) => inputs.scheduleExpression)).toContain('rate(5 minutes)');
  });

  test.each(kinds)('%s: a worker has a GPU, time to stop, models on the machine’s disk, and no secrets', (name) => {
    const { container, environment } = taskOf(name);
    expect(container).toMatchObject({
      resourceRequirements: [{ type: 'GPU', value: '1' }],
      stopTimeout: 110,
      mountPoints: [{ sourceVolume: 'models', containerPath: environment.MODELS_DIR }],
    });
    expect(one('TaskDefinition', `${name}Task`)).toMatchObject({
      requiresCompatibilities: ['EC2'],
      networkMode: 'bridge',
      volumes: [{ name: 'models', hostPath: '/var/lib/loraloom/models' }],
    });
    expect(environment).toMatchObject({ QUEUES: name.toLowerCase(), EXECUTION_PROVIDER: 'cuda', AWS_REGION: 'eu-central-1' });
    // Whatever the container is given can be read by everyone who may look at a task definition.
    expect(Object.keys(environment).filter((key) => /SECRET|TOKEN|PEPPER|ACCESS_KEY/.test(key))).toEqual([]);
    expect(one('Service', `${name}Worker`)).toMatchObject({ desiredCount: 0, deploymentMinimumHealthyPercent: 0 });
    expect(one('Service', `${name}Worker`).launchType).toBeUndefined();
  });

  test('the worker program starts with the environment it is given, knows all of it, and stops when told to', async () => {
    const { environment } = taskOf('Images');
    const main = join(root, 'gpu-worker/src/main.ts');
    const source = readFileSync(main, 'utf8');
    expect(Object.keys(environment).filter((key) => key !== 'NODE_ENV' && !source.includes(`  ${key}:`))).toEqual([]);

    // A port where nobody listens, so that nothing leaves this machine.
    const nowhere = { S3_ENDPOINT: 'http://127.0.0.1:1', SQS_ENDPOINT: 'http://127.0.0.1:1' };
    const credentials = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' };
    const worker = spawn(process.execPath, [main], { env: { ...environment, ...nowhere, ...credentials } });
    const ended = once(worker, 'exit');
    let printed = '';
    for await (const chunk of worker.stdout.setEncoding('utf8')) {
      // Told once: a second signal could meet the process on its way out, past its handlers.
      if (printed === '') worker.kill('SIGTERM');
      printed += chunk;
    }
    expect(JSON.parse(printed.split('\n')[0] ?? '')).toMatchObject({ message: 'worker started', queues: ['images'] });
    expect((await ended)[0]).toBe(0);
  });

  test('machines come and go with the tasks, from none to at most one for each worker, all of them spot', () => {
    const group = one('Group', 'GpuMachines');
    expect(group).toMatchObject({
      minSize: 0,
      maxSize: wanted.machines,
      protectFromScaleIn: true,
      capacityRebalance: false,
      enabledMetrics: ['GroupInServiceInstances'],
      mixedInstancesPolicy: {
        instancesDistribution: { onDemandBaseCapacity: 0, onDemandPercentageAboveBaseCapacity: 0 },
        launchTemplate: { overrides: [{ instanceType: 'g6.xlarge' }, { instanceType: 'g5.xlarge' }] },
      },
    });
    expect(one('CapacityProvider', 'Gpu').autoScalingGroupProvider).toMatchObject({
      managedTerminationProtection: 'ENABLED',
      managedDraining: 'ENABLED',
      managedScaling: { status: 'ENABLED', targetCapacity: 100 },
    });
    const { userData, metadataOptions } = one('LaunchTemplate', 'GpuMachine');
    const script = Buffer.from(text(userData), 'base64').toString();
    for (const line of [`ECS_CLUSTER=${text(one('Cluster', 'Gpu').name)}`, 'ECS_ENABLE_SPOT_INSTANCE_DRAINING=true']) {
      expect(script.split('\n')).toContain(line);
    }
    expect(script).toContain('install -d -o 1000 -g 1000 /var/lib/loraloom/models');
    expect(metadataOptions).toMatchObject({ httpTokens: 'required', httpPutResponseHopLimit: 1 });
    expect(one('SecurityGroup', 'WorkerSecurity').ingress).toBeUndefined();
    expect(all('NatGateway')).toEqual([]);
  });

  test.each(kinds)('%s: workers follow the jobs that wait and run, from none to the most there may be', (name) => {
    expect(one('Target', `${name}Workers`)).toMatchObject({ minCapacity: 0, maxCapacity: wanted.workers });
    const { targetTrackingScalingPolicyConfiguration: tracking } = z
      .object({
        targetTrackingScalingPolicyConfiguration: z.looseObject({
          customizedMetricSpecification: z.object({
            metrics: z.array(z.looseObject({ id: z.string(), returnData: z.boolean(), expression: z.string().optional() })),
          }),
        }),
      })
      .parse(one('Policy', `${name}PerWorker`));
    expect(tracking.targetValue).toBe(wanted.jobsPerWorker[name]);
    const { metrics } = tracking.customizedMetricSpecification;
    const sources = JSON.stringify(metrics);
    for (const part of [
      queueName(name),
      'ApproximateNumberOfMessagesVisible',
      'ApproximateNumberOfMessagesNotVisible',
      'DesiredTaskCount',
    ]) {
      expect(sources).toContain(part);
    }
    // The expression, computed: FILL is for a queue or a service that has said nothing lately.
    const [load] = metrics.filter(({ returnData }) => returnData);
    const compute = new Function('waiting', 'running', 'workers', 'FILL', 'IF', `return ${load?.expression}`);
    const at = (...numbers: (number | undefined)[]) =>
      compute(
        ...numbers,
        (value?: number, none?: number) => value ?? none,
        (when: boolean, yes: number, no: number) => (when ? yes : no),
      );
    expect([at(6, 2, 4), at(6, 2, 0), at(0, 1, 1), at(undefined, undefined, undefined)]).toEqual([2, 8, 1, 0]);
  });

  test('a minute after the first job there is a first worker', () => {
    expect(JSON.stringify(all('Schedule'))).toContain('rate(1 minute)');
    const workers = json(environmentOf('WakerHandler').WORKERS);
    expect(workers).toEqual(
      kinds.map((name) => ({
        queue_url: expect.stringContaining(queueName(name)),
        service: one('Service', `${name}Worker`).name,
      })),
    );
  });

  test('somebody is called when work is lost or stuck, the API fails, a GPU is never let go, or the money runs out', () => {
    const topic = `arn:aws:sns:eu-central-1:123456789012:${text(one('Topic', 'Alarms').name)}`;
    const alarms = Object.fromEntries(all('MetricAlarm').map(({ name, inputs }) => [name, inputs]));
    const seconds = (alarm: Record<string, unknown> = {}) => Number(alarm.period) * Number(alarm.evaluationPeriods);
    expect(Object.keys(alarms).filter((name) => name.endsWith('DeadLetter'))).toHaveLength(4);
    for (const [name, alarm] of Object.entries(alarms)) {
      expect(alarm, name).toMatchObject({ alarmActions: [topic], treatMissingData: 'notBreaching' });
      if (name.endsWith('DeadLetter')) expect(alarm, name).toMatchObject({ threshold: 1, evaluationPeriods: 1 });
    }
    // Letters that a function takes away at once are counted as they come; the others lie there.
    expect(alarms.ImagesDeadLetter).toMatchObject({
      metricName: 'NumberOfMessagesReceived',
      dimensions: { QueueName: queueName('ImagesDead') },
    });
    expect(alarms.WebhooksDeadLetter).toMatchObject({
      metricName: 'ApproximateNumberOfMessagesVisible',
      dimensions: { QueueName: queueName('WebhooksDead') },
    });
    expect(alarms.ImagesStuck).toMatchObject({ metricName: 'ApproximateAgeOfOldestMessage', threshold: 900 });
    // Those of the others may be old without being stuck: worked on for long, or sent with a delay.
    for (const alarm of [alarms.TrainingsStuck, alarms.BatchesStuck, alarms.WebhooksStuck]) {
      expect(alarm).toMatchObject({ metricName: 'ApproximateNumberOfMessagesVisible', statistic: 'Minimum' });
      expect(seconds(alarm)).toBe(900);
    }
    expect(alarms.ApiErrors).toMatchObject({ metricName: '5xx', namespace: 'AWS/ApiGateway' });
    expect(alarms.GpuNeverZero).toMatchObject({ statistic: 'Minimum', metricName: 'GroupInServiceInstances', threshold: 1 });
    expect(seconds(alarms.GpuNeverZero)).toBe(6 * 3600);
    expect(one('Budget', 'Budget')).toMatchObject({ limitAmount: wanted.budget, limitUnit: 'USD', timeUnit: 'MONTHLY' });
    expect(text(one('TopicPolicy', 'Alarms').policy)).toContain('budgets.amazonaws.com');
  });

  test('the dashboard shows every queue, and the machines', () => {
    const body = text(one('Dashboard', 'Dashboard').dashboardBody);
    for (const name of ['Trainings', 'Images', 'Batches', 'Webhooks']) {
      expect(body).toContain(`"${queueName(name)}"`);
      expect(body).toContain(`"${queueName(`${name}Dead`)}"`);
    }
    expect(body).toContain('GroupInServiceInstances');
  });

  test('what must be set before the first deployment is what the functions are given', () => {
    const source = globSync(join(root, 'infra/*.ts')).map((file) => readFileSync(file, 'utf8'));
    const used = source.flatMap((code) => Array.from(code.matchAll(/new sst\.Secret\('(\w+)'/g), ([, name]) => name));
    expect(used).toEqual(Object.keys(secrets));
  });
});
