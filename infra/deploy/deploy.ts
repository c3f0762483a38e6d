import type { Bucket } from '@loraloom/jobs';
import { z } from 'zod';
import { type Stage, stageNamed } from '../stage.ts';
import { firstKey } from './first-key.ts';
import { type Finding, preflight, readSecrets } from './preflight.ts';
import type { World } from './world.ts';

/** What a deployment does, beside looking; main.ts and tests give it. */
export interface Hands {
  world: World;
  print: (text: string) => void;
  /** `sst deploy`, seen by whoever deploys. @returns its exit code */
  sstDeploy: (stage: string) => Promise<number>;
  /** What createCloud returned, as SST has written it down. */
  readOutputs: () => Promise<unknown>;
  openBucket: (name: string) => Bucket;
  /** Puts the base model that ships with the repository into the bucket. */
  registerModel: (bucket: Bucket) => Promise<void>;
}

const outputsSchema = z.object({ api: z.url(), studio: z.url(), bucket: z.string() });

/** Deploys a stage if nothing is in the way, and says where it is. @returns the exit code */
export async function deploy(name: string, hands: Hands, stage: Stage = stageNamed(name)): Promise<number> {
  const { world, print } = hands;
  const findings = await preflight(name, stage, world);
  for (const finding of findings) print(describe(finding));
  if (findings.some(({ level }) => level === 'error')) {
    print('\nNothing was deployed: type what stands below each ✗, then deploy again.');
    return 1;
  }
  const code = await hands.sstDeploy(name);
  if (code !== 0) return code;

  const outputs = outputsSchema.parse(await hands.readOutputs());
  const bucket = hands.openBucket(outputs.bucket);
  await hands.registerModel(bucket);
  const pepper = (await readSecrets(name, world)).get('ApiKeyPepper');
  if (pepper === undefined) throw new Error('the secret ApiKeyPepper is gone');
  const key = await firstKey(bucket, pepper);
  print(`\nAPI:    ${outputs.api}\nStudio: ${outputs.studio}`);
  if (key === undefined) print('Key:    the ones there are stay good');
  else print(`Key:    ${key}   (shown this once)\n\nOpen ${outputs.studio}/#key=${key} in a browser.`);
  return 0;
}

function describe(finding: Finding): string {
  if (finding.level === 'ok') return `✓ ${finding.what}`;
  const sign = finding.level === 'error' ? '✗' : '!';
  return `${sign} ${finding.what}\n${finding.type.replaceAll(/^/gm, '    ')}`;
}
