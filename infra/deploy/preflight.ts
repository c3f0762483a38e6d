import { stripVTControlCharacters } from 'node:util';
import { z } from 'zod';
import { secrets } from '../secrets.ts';
import { machineImage, type Stage } from '../stage.ts';
import { AwsRefusal, type World } from './world.ts';

/** What was looked at and found. An `error` would make the deployment fail, or leave it useless; `type` is what mends it. */
export type Finding = { level: 'ok'; what: string } | { level: 'warning' | 'error'; what: string; type: string };

const vcpuPerMachine = 4;

/** Looks at all that a deployment needs before it begins: its errors come late there, and say little. */
export async function preflight(name: string, stage: Stage, world: World): Promise<Finding[]> {
  const account = await checkAccount(world);
  const image = await checkImage(world);
  const region = await world.region().catch(() => undefined);
  // Without an account there is nobody to ask the rest of.
  if (account.level === 'error' || region === undefined) return [account, image];
  const inAws = await Promise.all([
    checkRegion(region, world),
    ...checkQuotas(stage, region, world),
    checkSecrets(name, world),
    checkAlarms(name, world),
  ]);
  return [account, image, ...inAws];
}

async function checkAccount(world: World): Promise<Finding> {
  try {
    const account = await world.account();
    const region = await world.region();
    if (region === undefined) {
      return { level: 'error', what: 'no region is chosen', type: 'export AWS_REGION=eu-central-1   # or another one near you' };
    }
    return { level: 'ok', what: `AWS account ${account}, region ${region}` };
  } catch (error) {
    const profile = world.environment.AWS_PROFILE;
    const type = profile
      ? `aws sso login --profile ${profile}`
      : 'aws configure   # or export AWS_PROFILE=<one of ~/.aws/config>';
    return { level: 'error', what: `no AWS credentials that work: ${messageOf(error)}`, type };
  }
}

/** The image that machines start from is not there in every region. */
async function checkRegion(region: string, world: World): Promise<Finding> {
  try {
    await world.call('ssm', 'AmazonSSM.GetParameter', { Name: machineImage });
    return { level: 'ok', what: `Amazon's ECS image with NVIDIA's driver is in ${region}` };
  } catch (error) {
    if (error instanceof AwsRefusal && error.type === 'ParameterNotFound') {
      const what = `Amazon has no ECS image with NVIDIA's driver in ${region}`;
      return { level: 'error', what, type: 'export AWS_REGION=us-east-1   # or another region that has it' };
    }
    return refused(`whether ${region} has Amazon's GPU image`, 'ssm:GetParameter', error);
  }
}

const quotaSchema = z.object({ Quota: z.object({ Value: z.number() }) });

/** New accounts may start no GPU machines at all, and a service that may not simply never gets its task. */
function checkQuotas({ gpu }: Stage, region: string, world: World): Promise<Finding>[] {
  const wanted = vcpuPerMachine * (gpu.maxWorkers.trainings + gpu.maxWorkers.images);
  const check = async (kind: string, code: string): Promise<Finding> => {
    const type = `aws service-quotas request-service-quota-increase --region ${region} --service-code ec2 --quota-code ${code} --desired-value ${wanted}`;
    try {
      const answer = await world.call('servicequotas', 'ServiceQuotasV20190624.GetServiceQuota', {
        ServiceCode: 'ec2',
        QuotaCode: code,
      });
      const { Value } = quotaSchema.parse(answer).Quota;
      const what = `${kind} GPU machines: ${Value} of the ${wanted} vCPUs that all workers together take (${code})`;
      if (Value >= wanted) return { level: 'ok', what };
      if (Value >= vcpuPerMachine) return { level: 'warning', what, type };
      return { level: 'error', what: `${what}; not one could start`, type };
    } catch (error) {
      return refused(`the quota of ${kind} GPU machines`, 'servicequotas:GetServiceQuota', error);
    }
  };
  return [
    ...(gpu.onDemandPercent < 100 ? [check('spot', 'L-3819A6DF')] : []),
    ...(gpu.onDemandPercent > 0 ? [check('on-demand', 'L-DB2E81BA')] : []),
  ];
}

/** The worker's image is built here, unless it was elsewhere. */
async function checkImage({ environment, run }: World): Promise<Finding> {
  const { WORKER_IMAGE: ready } = environment;
  if (ready !== undefined) {
    if (/^[^\s@]+@sha256:[0-9a-f]{64}$/.test(ready)) return { level: 'ok', what: `worker image ${ready}` };
    const what = `WORKER_IMAGE=${ready} has no digest, so that tomorrow it might be another`;
    return {
      level: 'error',
      what,
      type: 'export WORKER_IMAGE=<repository>@sha256:<digest>   # docker buildx imagetools inspect <image>',
    };
  }
  const or = '# or export WORKER_IMAGE=<repository>@sha256:<digest> of one built elsewhere';
  const engine = await run('docker', ['info', '--format', '{{.ServerVersion}}']);
  if (engine.code === undefined) {
    return {
      level: 'error',
      what: 'there is no Docker to build the worker with',
      type: `https://docs.docker.com/get-docker   ${or}`,
    };
  }
  if (engine.code !== 0)
    return { level: 'error', what: "Docker's engine does not run", type: `sudo systemctl start docker   ${or}` };
  const buildx = await run('docker', ['buildx', 'version']);
  if (buildx.code !== 0) {
    return { level: 'error', what: 'Docker has no buildx', type: `sudo apt-get install docker-buildx-plugin   ${or}` };
  }
  return { level: 'ok', what: `Docker ${engine.output.trim()} with buildx` };
}

/** The values of a stage's secrets, by name, of those that are set. */
export async function readSecrets(name: string, { run }: World): Promise<Map<string, string>> {
  const { output } = await run('npx', ['sst', 'secret', 'list', '--stage', name]);
  const lines = stripVTControlCharacters(output).matchAll(/^([A-Z]\w*)=(.+)$/gm);
  return new Map(Array.from(lines, ([, key = '', value = '']) => [key, value.trim()]));
}

async function checkSecrets(name: string, world: World): Promise<Finding> {
  const set = await readSecrets(name, world);
  const missing = Object.entries(secrets).filter(([secret]) => !set.has(secret));
  if (missing.length === 0) return { level: 'ok', what: `secrets are set: ${Object.keys(secrets).join(', ')}` };
  return {
    level: 'error',
    what: `secrets are not set: ${missing.map(([secret]) => secret).join(', ')}`,
    type: missing.map(([secret, value]) => `npx sst secret set ${secret} "${value}" --stage ${name}`).join('\n'),
  };
}

async function checkAlarms(name: string, { environment }: World): Promise<Finding> {
  const { ALARM_EMAIL: email } = environment;
  if (email) return { level: 'ok', what: `alarms and the budget write to ${email}` };
  const type = `ALARM_EMAIL=you@example.com npm run deploy -- --stage ${name}`;
  return { level: 'warning', what: 'nobody hears the alarms, nor the budget', type };
}

/** Not knowing is no reason to stop: the deployer's rights may be few, and the deployment will tell. */
function refused(what: string, action: string, error: unknown): Finding {
  return {
    level: 'warning',
    what: `could not find out ${what}: ${messageOf(error)}`,
    type: `# allow ${action} to whoever deploys`,
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
