import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { S3Client } from '@aws-sdk/client-s3';
import { sdkBucket } from '@loraloom/jobs/bucket/sdk';
import { emoji, registerModel } from '@loraloom/local';
import { z } from 'zod';
import { deploy } from './deploy.ts';
import { realWorld } from './world.ts';

/*
 * `npm run deploy -- --stage <name>`: the whole of Loraloom in the AWS account of whoever types it.
 */

const { stage } = parseArgs({
  options: { stage: { type: 'string', default: process.env.SST_STAGE ?? process.env.USER ?? '' } },
}).values;
const { success } = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,19}$/)
  .safeParse(stage);
if (!success) {
  console.error(`--stage ${stage}: want 1 to 20 of a-z 0-9 -, as in npm run deploy -- --stage production`);
  process.exit(1);
}

const world = realWorld();
process.exitCode = await deploy(stage, {
  world,
  print: console.log,
  async sstDeploy(name) {
    const env = { ...process.env, AWS_REGION: await world.region() };
    const [code] = await once(spawn('npx', ['sst', 'deploy', '--stage', name], { stdio: 'inherit', env }), 'exit');
    return code ?? 1;
  },
  readOutputs: async () => JSON.parse(await readFile('.sst/outputs.json', 'utf8')),
  openBucket: (name) => sdkBucket(new S3Client({}), name),
  registerModel: (bucket) => registerModel(bucket, emoji.folder, emoji),
});
