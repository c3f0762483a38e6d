import { createApp } from '@loraloom/functions';
import { memoryBucket } from '@loraloom/jobs/bucket/memory';
import { memoryLimits } from '@loraloom/jobs/limits/memory';
import { memoryQueues } from '@loraloom/jobs/queue/memory';
import { describe, expect, test } from 'vitest';
import { machineImage, stageNamed } from '../stage.ts';
import { deploy, type Hands } from './deploy.ts';
import { type Finding, preflight } from './preflight.ts';
import { AwsRefusal, type World } from './world.ts';

const digest = `sha256:${'0'.repeat(64)}`;
const pepper = 'f'.repeat(64);
const none = { code: undefined, output: '' };

interface Answers {
  environment?: World['environment'];
  region?: string | undefined;
  account?: () => string;
  quota?: Record<string, number | Error>;
  parameter?: Error;
  docker?: { info?: { code: number | undefined; output: string }; buildx?: { code: number; output: string } };
  secrets?: string;
}

/** A world in which nothing is missing but what is said. */
function worldWith(answers: Answers): World & { asked: object[] } {
  const asked: object[] = [];
  const region = 'region' in answers ? answers.region : 'eu-central-1';
  return {
    asked,
    environment: answers.environment ?? { ALARM_EMAIL: 'ops@example.com' },
    region: async () => region,
    account: async () => answers.account?.() ?? '123456789012',
    async call(service, target, input) {
      asked.push({ service, target, ...input });
      if (service === 'ssm') {
        if (answers.parameter) throw answers.parameter;
        return { Parameter: { Value: 'ami-1' } };
      }
      const code = 'QuotaCode' in input ? `${input.QuotaCode}` : '';
      const value = answers.quota?.[code] ?? 64;
      if (value instanceof Error) throw value;
      return { Quota: { QuotaCode: code, Value: value } };
    },
    async run(command, args) {
      if (command === 'docker') {
        const found = args[0] === 'info' ? answers.docker?.info : answers.docker?.buildx;
        return found ?? { code: 0, output: '28.2.2\n' };
      }
      expect([command, ...args]).toEqual(['npx', 'sst', 'secret', 'list', '--stage', 'production']);
      return {
        code: 0,
        output: answers.secrets ?? `\u001b[37m# loraloom/production\u001b[0m\nApiKeyPepper=\u001b[2m${pepper}\u001b[0m\n`,
      };
    },
  };
}

const look = async (answers: Answers, stage = stageNamed('production')) => {
  const findings = await preflight('production', stage, worldWith(answers));
  return findings.filter((finding): finding is Exclude<Finding, { level: 'ok' }> => finding.level !== 'ok');
};

describe('preflight', () => {
  test('nothing is missing: all is said to be well, and AWS was asked about the right things', async () => {
    const world = worldWith({});
    const findings = await preflight('production', stageNamed('production'), world);
    expect(findings.map(({ level }) => level)).toEqual(Array(6).fill('ok'));
    expect(findings.map(({ what }) => what).join('\n')).toContain('AWS account 123456789012, region eu-central-1');
    expect(world.asked).toEqual([
      { service: 'ssm', target: 'AmazonSSM.GetParameter', Name: machineImage },
      { service: 'servicequotas', target: 'ServiceQuotasV20190624.GetServiceQuota', ServiceCode: 'ec2', QuotaCode: 'L-3819A6DF' },
    ]);
  });

  const increase = 'aws service-quotas request-service-quota-increase --region eu-central-1 --service-code ec2 --quota-code';
  const fail = (message: string) => () => {
    throw new Error(message);
  };
  test.each<[string, Answers, Finding['level'], string, string]>([
    ['no credentials', { account: fail('none found') }, 'error', 'none found', 'aws configure'],
    [
      'a session that ended',
      { account: fail('expired'), environment: { AWS_PROFILE: 'work', ALARM_EMAIL: 'a@b.c' } },
      'error',
      'expired',
      'aws sso login --profile work',
    ],
    ['no region', { region: undefined }, 'error', 'no region', 'export AWS_REGION='],
    [
      'a region without the machines’ image',
      { parameter: new AwsRefusal('GetParameter', 'ParameterNotFound', '') },
      'error',
      'in eu-central-1',
      'export AWS_REGION=us-east-1',
    ],
    [
      'no quota at all',
      { quota: { 'L-3819A6DF': 0 } },
      'error',
      '0 of the 64 vCPUs',
      `${increase} L-3819A6DF --desired-value 64`,
    ],
    [
      'a quota for some',
      { quota: { 'L-3819A6DF': 8 } },
      'warning',
      '8 of the 64 vCPUs',
      `${increase} L-3819A6DF --desired-value 64`,
    ],
    [
      'no right to ask for the quota',
      { quota: { 'L-3819A6DF': new AwsRefusal('GetServiceQuota', 'AccessDeniedException', 'denied') } },
      'warning',
      'could not find out the quota of spot',
      'servicequotas:GetServiceQuota',
    ],
    ['no Docker', { docker: { info: none } }, 'error', 'no Docker', 'https://docs.docker.com/get-docker'],
    ['a Docker that sleeps', { docker: { info: { code: 1, output: '' } } }, 'error', 'does not run', 'systemctl start docker'],
    ['a Docker without buildx', { docker: { buildx: { code: 1, output: '' } } }, 'error', 'no buildx', 'docker-buildx-plugin'],
    [
      'an image without its digest',
      { environment: { WORKER_IMAGE: 'me/worker:latest', ALARM_EMAIL: 'a@b.c' } },
      'error',
      'no digest',
      'export WORKER_IMAGE=<repository>@sha256:<digest>',
    ],
    [
      'a secret that is not set',
      { secrets: '✕  No secrets found\n' },
      'error',
      'ApiKeyPepper',
      'npx sst secret set ApiKeyPepper "$(openssl rand -hex 32)" --stage production',
    ],
    [
      'nobody to call',
      { environment: {} },
      'warning',
      'nobody hears',
      'ALARM_EMAIL=you@example.com npm run deploy -- --stage production',
    ],
  ])('%s', async (_, answers, level, what, type) => {
    const missing = await look(answers);
    expect(missing).toEqual([{ level, what: expect.stringContaining(what), type: expect.stringContaining(type) }]);
  });

  test('a stage that pays for some machines in full needs that quota too; an image that is ready needs no Docker', async () => {
    const stage = stageNamed('production');
    const missing = await look({ quota: { 'L-DB2E81BA': 0 } }, { ...stage, gpu: { ...stage.gpu, onDemandPercent: 20 } });
    expect(missing).toMatchObject([
      { level: 'error', what: expect.stringContaining('on-demand'), type: expect.stringContaining('L-DB2E81BA') },
    ]);
    const environment = { WORKER_IMAGE: `me/worker@${digest}`, ALARM_EMAIL: 'a@b.c' };
    expect(await look({ environment, docker: { info: none } })).toEqual([]);
  });
});

/** Hands that do nothing, and note what they were asked to. */
function hands(answers: Answers, bucket = memoryBucket(), code = 0) {
  const printed: string[] = [];
  const done: string[] = [];
  const given: Hands = {
    world: worldWith(answers),
    print: (text) => printed.push(text),
    sstDeploy: async (stage) => {
      done.push(`sst deploy ${stage}`);
      return code;
    },
    readOutputs: async () => ({ api: 'https://api.example', studio: 'https://studio.example', bucket: 'b' }),
    openBucket: (name) => {
      done.push(`open ${name}`);
      return bucket;
    },
    registerModel: async () => {
      done.push('register the model');
    },
  };
  return { given, done, bucket, text: () => printed.join('\n') };
}

describe('deploy', () => {
  test('something is missing: it is said, with what to type, and nothing is done', async () => {
    const { given, done, text } = hands({ quota: { 'L-3819A6DF': 0 }, secrets: '' });
    expect(await deploy('production', given)).toBe(1);
    expect(done).toEqual([]);
    expect(text()).toMatch(/✗ spot GPU machines: 0 of .*\n {4}aws service-quotas/);
    expect(text()).toMatch(/✗ secrets are not set: ApiKeyPepper\n {4}npx sst secret set/);
  });

  test('a deployment that fails ends there', async () => {
    const { given, done } = hands({}, memoryBucket(), 3);
    expect(await deploy('production', given)).toBe(3);
    expect(done).toEqual(['sst deploy production']);
  });

  test('the first one ends with the addresses and a key that works; the next makes no other', async () => {
    const { given, done, bucket, text } = hands({});
    expect(await deploy('production', given)).toBe(0);
    expect(done).toEqual(['sst deploy production', 'open b', 'register the model']);
    expect(text()).toMatch(/API: +https:\/\/api\.example\nStudio: +https:\/\/studio\.example\nKey: +ll_/);
    const key = /ll_[0-9a-f]{72}/.exec(text())?.[0] ?? '';
    const app = createApp({ bucket, queues: memoryQueues(), limits: memoryLimits(), pepper, origins: [], log: () => undefined });
    const keys = await app.request('/v1/keys', { headers: { authorization: `Bearer ${key}` } });
    expect(await keys.json()).toMatchObject({ data: [{ name: 'first', scopes: ['admin', 'images', 'trainings'] }] });

    const again = hands({}, bucket);
    expect(await deploy('production', again.given)).toBe(0);
    expect(again.text()).not.toContain('ll_');
    expect(again.text()).toContain('https://studio.example');
  });
});
