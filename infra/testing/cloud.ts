import { z } from 'zod';
import { policyJson, statementSchema } from './policy.ts';

/** What AWS would answer, for a pretended account: only what something downstream reads. */
export const accountId = '123456789012';
export const region = 'eu-central-1';

const namedSchema = z.looseObject({
  name: z.string().optional(),
  bucket: z.string().optional(),
  family: z.string().optional(),
});

/** A resource's outputs beside its inputs. */
export function outputsOf(type: string, logicalName: string, inputs: unknown): Record<string, unknown> {
  const named = namedSchema.parse(inputs);
  const name = named.name ?? named.bucket ?? named.family ?? logicalName;
  const arn = (service: string, rest: string) => `arn:aws:${service}:${region}:${accountId}:${rest}`;
  switch (type) {
    case 'aws:s3/bucket:Bucket':
      return { bucket: name, arn: `arn:aws:s3:::${name}`, bucketRegionalDomainName: `${name}.s3.${region}.amazonaws.com` };
    case 'aws:cloudfront/distribution:Distribution':
      return { domainName: 'studio.cloudfront.net' };
    case 'aws:sqs/queue:Queue':
      return { name, arn: arn('sqs', name), url: `https://sqs.${region}.amazonaws.com/${accountId}/${name}` };
    case 'aws:iam/role:Role':
      return { name, arn: `arn:aws:iam::${accountId}:role/${name}` };
    case 'aws:lambda/function:Function':
      return { name, arn: arn('lambda', `function:${name}`), invokeArn: arn('lambda', `function:${name}/invocations`) };
    case 'aws:ecs/service:Service':
      return { name, arn: arn('ecs', `service/${name}`) };
    case 'aws:ecr/repository:Repository':
      return { name, registryId: accountId, repositoryUrl: `${accountId}.dkr.ecr.${region}.amazonaws.com/${name}` };
    case 'aws:apigatewayv2/api:Api':
      return { apiEndpoint: `https://api.execute-api.${region}.amazonaws.com`, executionArn: arn('execute-api', 'api') };
    case 'docker-build:index:Image':
      return { ref: `${accountId}.dkr.ecr.${region}.amazonaws.com/worker@sha256:${'0'.repeat(64)}` };
    default:
      return { name, arn: arn(type.split(/[:/]/)[1] ?? type, name) };
  }
}

/** The answer of a data source, called by its Pulumi token. */
export function answerOf(token: string, inputs: unknown): Record<string, unknown> {
  switch (token) {
    case 'aws:index/getRegion:getRegion':
      return { region, name: region };
    case 'aws:index/getPartition:getPartition':
      return { partition: 'aws' };
    case 'aws:index/getCallerIdentity:getCallerIdentity':
      return { accountId };
    case 'aws:index/getAvailabilityZones:getAvailabilityZones':
      return { names: ['a', 'b', 'c'].map((zone) => region + zone) };
    case 'aws:ssm/getParameter:getParameter':
      return { value: `ssm:${z.looseObject({ name: z.string() }).parse(inputs).name}` };
    case 'aws:ecr/getAuthorizationToken:getAuthorizationToken':
      return { proxyEndpoint: `https://${accountId}.dkr.ecr.${region}.amazonaws.com`, userName: 'AWS', password: 'pretended' };
    case 'aws:iam/getPolicyDocument:getPolicyDocument': {
      const { statements } = z.looseObject({ statements: z.array(statementSchema).default([]) }).parse(inputs);
      return { statements, json: policyJson(statements) };
    }
    default:
      throw new Error(`no pretended answer for the data source ${token} ${JSON.stringify(inputs)}`);
  }
}
