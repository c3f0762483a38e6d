import { AwsClient } from 'aws4fetch';
import { z } from 'zod';
import { type AwsCall, wake, workerSchema } from './wake.ts';

const environment = z
  .object({
    AWS_REGION: z.string(),
    AWS_ACCESS_KEY_ID: z.string(),
    AWS_SECRET_ACCESS_KEY: z.string(),
    AWS_SESSION_TOKEN: z.string(),
    CLUSTER: z.string(),
    WORKERS: z
      .string()
      .transform((text): unknown => JSON.parse(text))
      .pipe(z.array(workerSchema)),
  })
  .parse(process.env);

const region = environment.AWS_REGION;
const client = new AwsClient({
  accessKeyId: environment.AWS_ACCESS_KEY_ID,
  secretAccessKey: environment.AWS_SECRET_ACCESS_KEY,
  sessionToken: environment.AWS_SESSION_TOKEN,
  region,
});
const types = { sqs: 'application/x-amz-json-1.0', ecs: 'application/x-amz-json-1.1' };

const call: AwsCall = async (service, target, input) => {
  const answer = await client.fetch(`https://${service}.${region}.amazonaws.com/`, {
    method: 'POST',
    headers: { 'content-type': types[service], 'x-amz-target': target },
    body: JSON.stringify(input),
    aws: { service },
  });
  if (!answer.ok) throw new Error(`${target}: ${answer.status} ${await answer.text()}`);
  return answer.json();
};

/** Called every minute. */
export async function handler(): Promise<void> {
  const started = await wake(call, environment.CLUSTER, environment.WORKERS);
  if (started.length > 0) console.log(JSON.stringify({ level: 'info', message: 'started the first worker', services: started }));
}
