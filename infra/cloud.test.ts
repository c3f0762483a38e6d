import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keys } from '@loraloom/jobs';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Cloud } from './testing/evaluate.ts';
import { allows, type Policy, policySchema } from './testing/policy.ts';

const root = join(import.meta.dirname, '..');
const platform = join(root, '.sst/platform');
const installed = existsSync(join(platform, 'node_modules/@pulumi/aws'));
if (!installed)
  console.warn('SKIPPED: the tests of infra/ need SST unpacked; `npm run infra:install` does it (a minute, 330 MB)');

let cloud: Cloud;
const named = (type: string, name: string) => {
  const found = cloud.resources.filter((resource) => resource.type.endsWith(`:${type}`) && resource.name.startsWith(name));
  expect(found.map((resource) => resource.name)).toHaveLength(1);
  return found[0]?.inputs ?? {};
};
const inlinePolicy = z
  .object({ inlinePolicies: z.tuple([z.object({ policy: policySchema })]) })
  .transform((role) => role.inlinePolicies[0].policy);
const functionSchema = z.object({ environment: z.object({ variables: z.record(z.string(), z.string()) }) });
const containersSchema = z
  .string()
  .transform((text): unknown => JSON.parse(text))
  .pipe(z.tuple([z.looseObject({ environment: z.array(z.object({ name: z.string(), value: z.string() })) })]));

describe.skipIf(!installed)('the cloud of stage production', () => {
  let bucket: string;
  let api: Policy;
  let worker: Policy;
  const queue = (name: string) =>
    `arn:aws:sqs:eu-central-1:123456789012:${z.string().parse(named('Queue', `${name}Queue`).name)}`;
  const object = (key: string) => `${bucket}/${key}`;

  const taskOf = (name: string) => {
    const [container] = containersSchema.parse(named('TaskDefinition', `${name}Task`).containerDefinitions);
    return { container, environment: Object.fromEntries(container.environment.map(({ name, value }) => [name, value])) };
  };

  beforeAll(async () => {
    const { evaluate } = await import('./testing/evaluate.ts');
    cloud = await evaluate('production');
    bucket = `arn:aws:s3:::${z.string().parse(named('Bucket', 'BucketBucket').bucket)}`;
    api = inlinePolicy.parse(named('Role', 'ApiRoute'));
    worker = policySchema.parse(named('RolePolicy', 'WorkerTaskPolicy').policy);
  }, 60_000);

  test('no role may do everything with a service, or anything with everything', () => {
    const attached = cloud.resources.flatMap(({ type, name, inputs }) => {
      if (type.endsWith(':RolePolicy')) return [{ name, policy: policySchema.parse(inputs.policy) }];
      if (!type.endsWith(':Role') || inputs.inlinePolicies === undefined) return [];
      return [{ name, policy: inlinePolicy.parse(inputs) }];
    });
    expect(attached.map(({ name }) => name.replace(/Route.*Handler/, 'Handler')).sort()).toEqual([
      'ApiHandlerRole',
      'WakerHandlerRole',
      'WakerRole',
      'WorkerTaskPolicy',
    ]);
    for (const { name, policy } of attached) {
      for (const { Action, Resource } of policy.Statement) {
        expect(
          Action.filter((action) => action.includes('*')),
          name,
        ).toEqual([]);
        expect(
          Resource.filter((resource) => resource === '*' || resource === `${bucket}/*`),
          name,
        ).toEqual([]);
      }
    }
  });

  test('a role trusts one service, and no account', () => {
    const trusted = cloud.resources
      .filter(({ type }) => type.endsWith(':Role'))
      .map(({ inputs }) => z.object({ Statement: z.array(z.object({ Principal: z.unknown() })) }).parse(inputs.assumeRolePolicy))
      .flatMap(({ Statement }) => Statement.map(({ Principal }) => Principal));
    expect(trusted.length).toBeGreaterThan(5);
    for (const principal of trusted) expect(principal).toEqual({ Service: expect.stringMatching(/\.amazonaws\.com$/) });
  });

  test('the API reads and writes what its handlers do, and can presign no more than that', () => {
    const [t, id] = ['acme', 'x'];
    for (const key of [
      keys.apiKey('h'),
      keys.apiKeyOf(t, id),
      keys.limits(t),
      keys.model('m'),
      keys.loraRecord(t, 'l'),
      keys.loraWeights(t, 'l', id),
      keys.picture(t, id, 0),
    ]) {
      expect(allows(api, 's3:GetObject', object(key)), key).toBe(true);
    }
    const writes = [
      keys.fileRecord(t, id),
      keys.fileContent(t, id),
      keys.outboxEntry('trainings', t, id),
      keys.idempotency(t, 'images', 'a'.repeat(64)),
      keys.apiKey('h'),
      keys.apiKeyOf(t, id),
      ...(['trainings', 'images'] as const).flatMap((folder) => [keys.jobRequest(folder, t, id), keys.jobRecord(folder, t, id)]),
    ];
    for (const key of writes) expect(allows(api, 's3:PutObject', object(key)), key).toBe(true);
    const not = [
      keys.limits(t),
      keys.model('m'),
      keys.loraWeights(t, 'l', id),
      keys.loraRecord(t, 'l'),
      keys.picture(t, id, 0),
      keys.checkpoint(t, id),
    ];
    for (const key of not) expect(allows(api, 's3:PutObject', object(key)), key).toBe(false);

    for (const key of [keys.outboxEntry('images', t, id), keys.apiKey('h'), keys.apiKeyOf(t, id)]) {
      expect(allows(api, 's3:DeleteObject', object(key)), key).toBe(true);
    }
    for (const key of [...writes.filter((key) => !/^(outbox|keys)\//.test(key)), ...not]) {
      expect(allows(api, 's3:DeleteObject', object(key)), key).toBe(false);
    }
    expect(allows(api, 's3:ListBucket', bucket)).toBe(true);
    expect(allows(api, 'sqs:SendMessage', queue('Trainings'))).toBe(true);
    expect(allows(api, 'sqs:ReceiveMessage', queue('Trainings'))).toBe(false);
  });

  test('limits are a table paid by the request, that forgets what is over, and that the API alone may read and update', () => {
    const table = named('Table', 'Limits');
    expect(table).toMatchObject({
      billingMode: 'PAY_PER_REQUEST',
      hashKey: 'account',
      attributes: [{ name: 'account', type: 'S' }],
      ttl: { attributeName: 'expires', enabled: true },
    });
    const arn = `arn:aws:dynamodb:eu-central-1:123456789012:${z.string().parse(table.name)}`;
    for (const action of ['GetItem', 'UpdateItem', 'DeleteItem', 'PutItem', 'Scan']) {
      const used = ['GetItem', 'UpdateItem'].includes(action);
      expect(allows(api, `dynamodb:${action}`, arn), action).toBe(used);
      expect(allows(worker, `dynamodb:${action}`, arn), action).toBe(false);
    }
  });

  test('a worker does its jobs, and sees no API keys', () => {
    const [t, id] = ['acme', 'x'];
    for (const key of [
      keys.fileContent(t, id),
      keys.modelFile('m', 'unet/config.json'),
      keys.jobRequest('trainings', t, id),
      keys.checkpoint(t, id),
    ]) {
      expect(allows(worker, 's3:GetObject', object(key)), key).toBe(true);
    }
    for (const key of [
      keys.jobRecord('images', t, id),
      keys.picture(t, id, 3),
      keys.checkpoint(t, id),
      keys.loraRecord(t, 'l'),
      keys.loraWeights(t, 'l', id),
    ]) {
      expect(allows(worker, 's3:PutObject', object(key)), key).toBe(true);
    }
    for (const key of [keys.fileContent(t, id), keys.model('m')])
      expect(allows(worker, 's3:PutObject', object(key)), key).toBe(false);
    for (const key of [keys.apiKey('h'), keys.apiKeyOf(t, id)]) {
      for (const action of ['s3:GetObject', 's3:PutObject']) expect(allows(worker, action, object(key)), key).toBe(false);
    }
    for (const action of ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility', 'sqs:SendMessage']) {
      for (const name of ['Trainings', 'Images']) expect(allows(worker, action, queue(name)), `${action} ${name}`).toBe(true);
    }
  });

  test.each(['Trainings', 'Images'])(
    '%s: the fifth delivery is the last, then the message waits in the dead-letter queue',
    (name) => {
      const live = named('Queue', `${name}Queue`);
      expect(JSON.parse(z.string().parse(live.redrivePolicy))).toEqual({
        deadLetterTargetArn: queue(`${name}Dead`),
        maxReceiveCount: 5,
      });
      const dead = named('Queue', `${name}DeadQueue`);
      expect(dead.messageRetentionSeconds).toBeGreaterThan(z.number().parse(live.messageRetentionSeconds));
    },
  );

  test('the functions start with the environment they are given', () => {
    expect(cloud.handlers.sort()).toEqual(['functions/src/lambda.handler', 'functions/src/waker.handler']);
    // What the Lambda runtime adds.
    const runtime = { AWS_REGION: 'eu-central-1', AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_SESSION_TOKEN: 'c' };
    const health = {
      version: '2.0',
      rawPath: '/healthz',
      rawQueryString: '',
      headers: { host: 'api' },
      requestContext: { http: { method: 'GET', path: '/healthz' } },
    };
    for (const [handler, resource, script] of [
      ['lambda', 'ApiRoute', `console.log((await handler(${JSON.stringify(health)})).statusCode)`],
      ['waker', 'WakerHandler', 'console.log(typeof handler)'],
    ] as const) {
      const { environment } = functionSchema.parse(named('Function', resource));
      const bundle = join(mkdtempSync(join(tmpdir(), 'bundle-')), 'index.mjs');
      // As SST does: one ESM file for Node.
      const options = ['--bundle', '--platform=node', '--format=esm', '--minify', `--outfile=${bundle}`, '--log-level=error'];
      execFileSync(join(platform, 'node_modules/.bin/esbuild'), [join(root, `functions/src/${handler}.ts`), ...options]);
      const run = `const { handler } = await import(${JSON.stringify(bundle)}); ${script}`;
      const env = { ...runtime, ...environment.variables };
      const printed = execFileSync(process.execPath, ['--input-type=module', '-e', run], { env, encoding: 'utf8' });
      expect(printed.trim()).toBe(handler === 'lambda' ? '200' : 'function');
    }
  });

  test.each(['Trainings', 'Images'])('%s: a worker has a GPU, time to stop, and only its own queue to read', (name) => {
    const { container, environment } = taskOf(name);
    expect(container).toMatchObject({ resourceRequirements: [{ type: 'GPU', value: '1' }], stopTimeout: 110 });
    expect(environment).toMatchObject({ QUEUES: name.toLowerCase(), EXECUTION_PROVIDER: 'cuda', AWS_REGION: 'eu-central-1' });
    expect(environment.DEAD_QUEUE_URLS?.endsWith(z.string().parse(named('Queue', `${name}DeadQueue`).name))).toBe(true);
    // Whatever the container is given can be read by everyone who may look at a task definition.
    expect(Object.keys(environment).filter((key) => /SECRET|TOKEN|PEPPER|ACCESS_KEY/.test(key))).toEqual([]);
    expect(named('Service', `${name}Worker`)).toMatchObject({ desiredCount: 0, deploymentMinimumHealthyPercent: 0 });
    expect(named('Target', `${name}Workers`)).toMatchObject({ minCapacity: 0, maxCapacity: 8 });
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

  test('machines come and go with the tasks, from none to at most one for each worker', () => {
    const group = named('Group', 'GpuMachines');
    expect(group).toMatchObject({ minSize: 0, maxSize: 16, protectFromScaleIn: true, capacityRebalance: false });
    const { userData, metadataOptions } = named('LaunchTemplate', 'GpuMachine');
    const script = Buffer.from(z.string().parse(userData), 'base64').toString();
    expect(script).toContain(`ECS_CLUSTER=${z.string().parse(named('Cluster', 'GpuCluster').name)}\n`);
    expect(metadataOptions).toMatchObject({ httpTokens: 'required', httpPutResponseHopLimit: 1 });
  });

  test('the bucket is private, survives the removal of its stage, and drops unfinished uploads and old idempotency keys', () => {
    expect(named('Bucket', 'BucketBucket').forceDestroy).toBe(false);
    expect(named('BucketPublicAccessBlock', 'Bucket')).toMatchObject({ blockPublicPolicy: true, restrictPublicBuckets: true });
    expect(named('BucketLifecycleConfiguration', 'Bucket').rules).toMatchObject([
      { abortIncompleteMultipartUpload: { daysAfterInitiation: 1 } },
      { filter: { prefix: 'idempotency/' }, expiration: { days: 7 } },
    ]);
  });
});
