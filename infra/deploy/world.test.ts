import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { AwsRefusal, realWorld } from './world.ts';

const answers = {
  sts: new Response('<GetCallerIdentityResponse><Account>123456789012</Account></GetCallerIdentityResponse>'),
  servicequotas: new Response('{"Quota":{"Value":8}}'),
  ssm: new Response('{"__type":"com.amazonaws.ssm#ParameterNotFound","message":"…"}', { status: 400 }),
};
let seen: Request[];

beforeEach(() => {
  seen = [];
  for (const [name, value] of Object.entries({
    AWS_ACCESS_KEY_ID: 'AKID',
    AWS_SECRET_ACCESS_KEY: 's',
    AWS_REGION: 'eu-north-1',
  })) {
    vi.stubEnv(name, value);
  }
  vi.stubGlobal('fetch', async (input: Request) => {
    seen.push(input);
    const [service] = new URL(input.url).hostname.split('.');
    return Object.entries(answers)
      .find(([name]) => name === service)?.[1]
      .clone();
  });
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
});

test('AWS is asked in the region that is chosen, signed, and its answers are understood', async () => {
  const world = realWorld();
  expect(await world.region()).toBe('eu-north-1');
  expect(await world.account()).toBe('123456789012');
  expect(await world.call('servicequotas', 'ServiceQuotasV20190624.GetServiceQuota', { ServiceCode: 'ec2' })).toEqual({
    Quota: { Value: 8 },
  });
  const refusal = await world.call('ssm', 'AmazonSSM.GetParameter', {}).catch((error: unknown) => error);
  expect(refusal instanceof AwsRefusal && refusal.type).toBe('ParameterNotFound');
  expect(seen.map(({ url }) => new URL(url).hostname)).toEqual(
    ['sts', 'servicequotas', 'ssm'].map((name) => `${name}.eu-north-1.amazonaws.com`),
  );
  for (const [i, name] of ['sts', 'servicequotas', 'ssm'].entries()) {
    expect(seen[i]?.headers.get('authorization')).toMatch(
      new RegExp(`^AWS4-HMAC-SHA256 Credential=AKID/\\d{8}/eu-north-1/${name}/aws4_request`),
    );
  }
  expect(seen[1]?.headers.get('x-amz-target')).toBe('ServiceQuotasV20190624.GetServiceQuota');
});

test('a program runs to its end, and one that is not there is told apart', async () => {
  const { run } = realWorld();
  expect(await run(process.execPath, ['-e', 'console.log("out"); console.error("err"); process.exit(3)'])).toEqual({
    code: 3,
    output: expect.stringMatching(/out\n|err\n/),
  });
  expect(await run('loraloom-no-such-program', [])).toEqual({ code: undefined, output: '' });
});
