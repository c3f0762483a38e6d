import { keys } from '@loraloom/jobs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import type { Within } from './found.ts';
import { allows, type Policy, policySchema } from './policy.ts';

const [t, id] = ['acme', 'x'];

/** Who may do what; one evaluation of the cloud serves this and cloud.test.ts. */
export function testPermissions({ all, one, queueArn, bucketName, policies }: Within) {
  const bucket = () => `arn:aws:s3:::${bucketName()}`;
  const object = (key: string) => `${bucket()}/${key}`;
  const policyOf = (name: string): Policy => {
    const found = policies().filter((attached) => attached.name.startsWith(name));
    expect(found, name).toHaveLength(1);
    return found[0]?.policy ?? { Statement: [] };
  };
  const mayDo = (policy: Policy, action: string, keysOfBucket: string[], may = true) => {
    for (const key of keysOfBucket) expect(allows(policy, action, object(key)), `${action} ${key}`).toBe(may);
  };
  const actionsOf = ({ Statement }: Policy) => [...new Set(Statement.flatMap(({ Action }) => Action))].sort();

  test('no role may do everything with a service, or anything with everything', () => {
    const attached = policies();
    expect(attached.map(({ name }) => name.replace(/(Route|Subscriber).*?(Handler|Function)/, '$1')).sort()).toEqual([
      'ApiRouteRole',
      'BatchesSubscriberRole',
      'ImagesDeadSubscriberRole',
      'SweeperHandlerRole',
      'SweeperRole',
      'TrainingsDeadSubscriberRole',
      'WakerHandlerRole',
      'WakerRole',
      'WebhooksSubscriberRole',
      'WorkerTaskPolicy',
    ]);
    for (const { name, policy } of attached) {
      for (const { Action, Resource } of policy.Statement) {
        expect(
          Action.filter((action) => action.includes('*')),
          name,
        ).toEqual([]);
        expect(
          Resource.filter((resource) => resource === '*' || resource === `${bucket()}/*`),
          name,
        ).toEqual([]);
      }
    }
  });

  test('a role trusts one service, and no account', () => {
    const trusted = all('Role')
      .map(({ inputs }) => z.object({ Statement: z.array(z.object({ Principal: z.unknown() })) }).parse(inputs.assumeRolePolicy))
      .flatMap(({ Statement }) => Statement.map(({ Principal }) => Principal));
    expect(trusted.length).toBeGreaterThan(5);
    for (const principal of trusted) expect(principal).toEqual({ Service: expect.stringMatching(/\.amazonaws\.com$/) });
  });

  test('the API reads what it must, writes requests and uploads, removes outbox entries, and cannot touch a GPU', () => {
    const api = policyOf('ApiRoute');
    expect(actionsOf(api)).toEqual([
      'dynamodb:GetItem',
      'dynamodb:UpdateItem',
      's3:DeleteObject',
      's3:GetObject',
      's3:ListBucket',
      's3:PutObject',
      'sqs:GetQueueAttributes',
      'sqs:SendMessage',
    ]);
    const reads = [
      keys.auditDay(t, id),
      keys.auditEntry(t, id, id),
      keys.apiKey('h'),
      keys.apiKeyOf(t, id),
      keys.limits(t),
      keys.model('m'),
      keys.loraRecord(t, 'l'),
      keys.loraWeights(t, 'l', id),
    ];
    mayDo(api, 's3:GetObject', [...reads, keys.loraCover(t, 'l', id), keys.picture(t, id, 0), keys.pace('images', id)]);
    const writes = [
      keys.auditEntry(t, '2026-11-24', id),
      keys.apiKey('h'),
      keys.apiKeyOf(t, id),
      keys.fileRecord(t, id),
      keys.fileContent(t, id),
      keys.loraRecord(t, 'l'),
      keys.loraVersion(t, 'l', id),
      keys.loraWeights(t, 'l', id),
      keys.batchRecord(t, id),
      keys.deliveryRecord(t, id),
      keys.webhookSecret(t),
      keys.outboxEntry('trainings', t, id),
      keys.idempotency(t, 'images', 'a'.repeat(64)),
      ...(['trainings', 'images'] as const).flatMap((folder) => [keys.jobRequest(folder, t, id), keys.jobRecord(folder, t, id)]),
    ];
    mayDo(api, 's3:PutObject', writes);
    const not = [
      keys.limits(t),
      keys.batchResults(t, id, 0),
      keys.auditDay(t, '2026-11-24'),
      keys.model('m'),
      keys.picture(t, id, 0),
      keys.checkpoint(t, id),
    ];
    mayDo(api, 's3:PutObject', not, false);
    mayDo(api, 's3:DeleteObject', [
      keys.apiKey('h'),
      keys.apiKeyOf(t, id),
      keys.outboxEntry('images', t, id),
      keys.fileRecord(t, id),
      keys.fileContent(t, id),
    ]);
    mayDo(api, 's3:DeleteObject', [...writes.filter((key) => !/^outbox\/|^keys\/|\/files\//.test(key)), ...not], false);
    expect(allows(api, 's3:ListBucket', bucket())).toBe(true);
    for (const name of ['Trainings', 'Images', 'Batches', 'Webhooks']) {
      expect(allows(api, 'sqs:SendMessage', queueArn(name))).toBe(true);
      expect(allows(api, 'sqs:ReceiveMessage', queueArn(name))).toBe(false);
    }
    expect(allows(api, 'sqs:SendMessage', queueArn('TrainingsDead'))).toBe(false);
  });

  test('a worker does its jobs, and sees no API keys', () => {
    const worker = policySchema.parse(one('RolePolicy', 'WorkerTaskPolicy').policy);
    const inputs = [keys.fileContent(t, id), keys.modelFile('m', 'unet/config.json'), keys.jobRequest('trainings', t, id)];
    mayDo(worker, 's3:GetObject', [...inputs, keys.checkpoint(t, id)]);
    const results = [keys.jobRecord('images', t, id), keys.picture(t, id, 3), keys.checkpoint(t, id), keys.loraRecord(t, 'l')];
    mayDo(worker, 's3:PutObject', [...results, keys.loraWeights(t, 'l', id)]);
    mayDo(worker, 's3:PutObject', [keys.fileContent(t, id), keys.model('m'), keys.limits(t)], false);
    mayDo(worker, 's3:PutObject', [keys.receipt(t, id, 3), keys.pace('images', id), keys.loraVersion(t, 'l', id)]);
    mayDo(worker, 's3:PutObject', [keys.outboxEntry('webhooks', t, id)]);
    mayDo(worker, 's3:GetObject', [keys.webhookSecret(t)], false);
    for (const action of ['s3:GetObject', 's3:PutObject', 's3:DeleteObject']) {
      mayDo(worker, action, [keys.apiKey('h'), keys.apiKeyOf(t, id)], false);
    }
    mayDo(worker, 's3:GetObject', [keys.idempotency(t, 'images', 'a')], false);
    for (const action of ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility', 'sqs:SendMessage']) {
      for (const name of ['Trainings', 'Images']) {
        expect(allows(worker, action, queueArn(name)), `${action} ${name}`).toBe(true);
        expect(allows(worker, action, queueArn(`${name}Dead`)), `${action} ${name}Dead`).toBe(false);
      }
    }
    for (const name of ['Batches', 'Webhooks']) {
      expect(allows(worker, 'sqs:SendMessage', queueArn(name))).toBe(true);
      expect(allows(worker, 'sqs:ReceiveMessage', queueArn(name))).toBe(false);
    }
  });

  test('limits are a table paid by the request, that forgets what is over, and that the API and batches alone may read and update', () => {
    const table = one('Table', 'Limits');
    expect(table).toMatchObject({
      billingMode: 'PAY_PER_REQUEST',
      hashKey: 'account',
      attributes: [{ name: 'account', type: 'S' }],
      ttl: { attributeName: 'expires', enabled: true },
    });
    const arn = `arn:aws:dynamodb:eu-central-1:123456789012:${z.string().parse(table.name)}`;
    const worker = policySchema.parse(one('RolePolicy', 'WorkerTaskPolicy').policy);
    for (const action of ['GetItem', 'UpdateItem', 'DeleteItem', 'PutItem', 'Scan']) {
      const used = ['GetItem', 'UpdateItem'].includes(action);
      for (const name of ['ApiRoute', 'BatchesSubscriber']) {
        expect(allows(policyOf(name), `dynamodb:${action}`, arn), `${name} ${action}`).toBe(used);
      }
      for (const policy of [worker, policyOf('WebhooksSubscriber'), policyOf('SweeperHandler')]) {
        expect(allows(policy, `dynamodb:${action}`, arn), action).toBe(false);
      }
    }
  });

  test('batches: lines become jobs, and pictures archives', () => {
    const batches = policyOf('BatchesSubscriber');
    mayDo(batches, 's3:GetObject', [
      keys.fileContent(t, id),
      keys.jobRecord('images', t, id),
      keys.picture(t, id, 0),
      keys.model('m'),
      keys.loraVersion(t, 'l', id),
      keys.limits(t),
    ]);
    mayDo(batches, 's3:PutObject', [
      keys.batchRecord(t, id),
      keys.batchLines(t, id, 0),
      keys.batchResults(t, id, 0),
      keys.batchOutput(t, id),
      keys.batchArchive(t, id, 0),
      keys.jobRequest('images', t, id),
      keys.jobRecord('images', t, id),
      keys.outboxEntry('images', t, id),
      keys.outboxEntry('webhooks', t, id),
    ]);
    mayDo(batches, 's3:DeleteObject', [keys.outboxEntry('batches', t, id)]);
    const not = [keys.limits(t), keys.apiKey('h'), keys.jobRecord('trainings', t, id), keys.loraRecord(t, 'l')];
    mayDo(batches, 's3:PutObject', not, false);
    for (const name of ['Images', 'Batches', 'Webhooks']) expect(allows(batches, 'sqs:SendMessage', queueArn(name))).toBe(true);
    for (const name of ['Trainings', 'Images', 'Webhooks'])
      expect(allows(batches, 'sqs:ReceiveMessage', queueArn(name))).toBe(false);
    expect(allows(batches, 'sqs:ChangeMessageVisibility', queueArn('Batches'))).toBe(true);
  });

  test('webhooks: ends are read, deliveries written, and the secrets that sign them', () => {
    const webhooks = policyOf('WebhooksSubscriber');
    const ends = [keys.jobRecord('images', t, id), keys.jobRecord('trainings', t, id), keys.batchRecord(t, id)];
    mayDo(webhooks, 's3:GetObject', [...ends, keys.picture(t, id, 0), keys.deliveryRecord(t, id), keys.webhookSecret(t)]);
    mayDo(webhooks, 's3:PutObject', [keys.deliveryRecord(t, id), keys.webhookSecret(t)]);
    mayDo(webhooks, 's3:PutObject', [...ends, keys.outboxEntry('webhooks', t, id), keys.apiKey('h')], false);
    expect(allows(webhooks, 'sqs:SendMessage', queueArn('Webhooks'))).toBe(true);
    expect(allows(webhooks, 'sqs:SendMessage', queueArn('Batches'))).toBe(false);
  });

  test('the sweeper reads records, sends messages, removes entries of the outbox, and gathers the audit', () => {
    const sweeper = policyOf('SweeperHandler');
    const records = [keys.jobRecord('images', t, id), keys.jobRecord('trainings', t, id), keys.batchRecord(t, id)];
    mayDo(sweeper, 's3:GetObject', records);
    mayDo(sweeper, 's3:PutObject', records, false);
    const [single, day] = [keys.auditEntry(t, '2026-11-24', id), keys.auditDay(t, '2026-11-24')];
    mayDo(sweeper, 's3:GetObject', [single, day]);
    mayDo(sweeper, 's3:PutObject', [day]);
    mayDo(sweeper, 's3:PutObject', [single], false);
    mayDo(sweeper, 's3:DeleteObject', [single]);
    mayDo(sweeper, 's3:DeleteObject', [day], false);
    mayDo(sweeper, 's3:DeleteObject', [keys.outboxEntry('images', t, id), keys.outboxEntry('webhooks', t, id)]);
    mayDo(sweeper, 's3:DeleteObject', records, false);
    for (const name of ['Trainings', 'Images', 'Batches', 'Webhooks']) {
      expect(allows(sweeper, 'sqs:SendMessage', queueArn(name))).toBe(true);
    }
  });

  test.each(['trainings', 'images'] as const)('dead letters of %s: the records of these jobs, nothing beside', (kind) => {
    const policy = policyOf(kind === 'trainings' ? 'TrainingsDead' : 'ImagesDead');
    const other = kind === 'trainings' ? 'images' : 'trainings';
    for (const action of ['s3:GetObject', 's3:PutObject']) {
      mayDo(policy, action, [keys.jobRecord(kind, t, id)]);
      mayDo(policy, action, [keys.jobRecord(other, t, id), keys.jobRequest(kind, t, id), keys.apiKey('h')], false);
    }
    mayDo(policy, 's3:PutObject', [keys.outboxEntry('webhooks', t, id)]);
    mayDo(policy, 's3:PutObject', [keys.outboxEntry('images', t, id)], false);
    expect(actionsOf(policy).filter((action) => !/^(s3:(Get|Put)Object|s3:ListBucket|sqs:\w+)$/.test(action))).toEqual([]);
  });

  test('the waker may look at two queues and set the size of two services', () => {
    const waker = policyOf('WakerHandler');
    expect(actionsOf(waker)).toEqual(['ecs:DescribeServices', 'ecs:UpdateService', 'sqs:GetQueueAttributes']);
    const services = waker.Statement.filter(({ Action }) => Action.includes('ecs:UpdateService')).flatMap(
      ({ Resource }) => Resource,
    );
    expect(services).toHaveLength(2);
  });
}
