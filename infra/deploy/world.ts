import { spawn } from 'node:child_process';
import { S3Client } from '@aws-sdk/client-s3';
import { AwsClient } from 'aws4fetch';

/** What a deployment asks of the outside; tests answer in its place. */
export interface World {
  environment: Readonly<Record<string, string | undefined>>;
  /** Where AWS's tools on this machine would work. @throws if there are no credentials */
  region(): Promise<string | undefined>;
  /** The account that the credentials belong to. @throws if there are none, or AWS does not take them */
  account(): Promise<string>;
  /** Calls AWS in its JSON protocol, e.g. `call('ssm', 'AmazonSSM.GetParameter', {…})`. @throws AwsRefusal */
  call(service: 'ssm' | 'servicequotas', target: string, input: object): Promise<unknown>;
  /** Runs a program to its end. `code` is undefined if there is no such program; `output` is what it printed. */
  run(command: string, args: string[]): Promise<{ code: number | undefined; output: string }>;
}

/** AWS said no; `type` as AWS calls it: `ParameterNotFound`, `AccessDeniedException`, … */
export class AwsRefusal extends Error {
  readonly type: string;

  constructor(target: string, type: string, answer: string) {
    super(`${target}: ${answer.slice(0, 300)}`);
    this.type = type;
  }
}

/** The world as it is. Credentials and region are found as all of AWS's tools find them: environment, profile, single sign-on. */
export function realWorld(): World {
  const { config } = new S3Client({});
  const region = () => config.region().catch(() => undefined);
  const client = async (service: string) => {
    const { accessKeyId, secretAccessKey, sessionToken } = await config.credentials();
    const session = sessionToken === undefined ? {} : { sessionToken };
    return new AwsClient({ accessKeyId, secretAccessKey, ...session, region: (await region()) ?? 'us-east-1', service });
  };
  return {
    environment: process.env,
    region,
    async account() {
      const at = (await region()) ?? 'us-east-1';
      const aws = await client('sts');
      const answer = await aws.fetch(`https://sts.${at}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15`);
      const text = await answer.text();
      const [, account] = /<Account>(\d{12})<\/Account>/.exec(text) ?? [];
      if (!answer.ok || account === undefined) throw new AwsRefusal('GetCallerIdentity', `${answer.status}`, text);
      return account;
    },
    async call(service, target, input) {
      const aws = await client(service);
      const answer = await aws.fetch(`https://${service}.${await region()}.amazonaws.com/`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': target },
        body: JSON.stringify(input),
      });
      const text = await answer.text();
      if (!answer.ok) throw new AwsRefusal(target, /"__type":"(?:[^"#]*#)?(\w+)"/.exec(text)?.[1] ?? `${answer.status}`, text);
      return JSON.parse(text);
    },
    run: (command, args) =>
      new Promise((resolve) => {
        const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
        let output = '';
        for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
        child.on('error', () => resolve({ code: undefined, output }));
        child.on('close', (code) => resolve({ code: code ?? 1, output }));
      }),
  };
}
