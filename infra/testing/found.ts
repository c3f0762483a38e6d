import { expect } from 'vitest';
import { z } from 'zod';
import type { Cloud } from './evaluate.ts';
import { policySchema } from './policy.ts';

export const inlinePolicy = z
  .object({ inlinePolicies: z.tuple([z.object({ policy: policySchema })]) })
  .transform((role) => role.inlinePolicies[0].policy);
const functionSchema = z.object({ environment: z.object({ variables: z.record(z.string(), z.string()) }) });
const containersSchema = z
  .string()
  .transform((text): unknown => JSON.parse(text))
  .pipe(z.tuple([z.looseObject({ environment: z.array(z.object({ name: z.string(), value: z.string() })) })]));

/** Finds things in an evaluated cloud by what they are and how their names begin. */
export function within(cloud: () => Cloud) {
  const all = (type: string, name = '') =>
    cloud().resources.filter((resource) => resource.type.endsWith(`:${type}`) && resource.name.startsWith(name));
  /** The inputs of the one there is. */
  const one = (type: string, name: string) => {
    const found = all(type, name);
    expect(
      found.map((resource) => resource.name),
      `${type} ${name}…`,
    ).toHaveLength(1);
    return found[0]?.inputs ?? {};
  };
  return {
    all,
    one,
    queueName: (name: string) => z.string().parse(one('Queue', `${name}Queue`).name),
    queueArn: (name: string) => `arn:aws:sqs:eu-central-1:123456789012:${z.string().parse(one('Queue', `${name}Queue`).name)}`,
    bucketName: () => z.string().parse(one('Bucket', 'BucketBucket').bucket),
    /** The environment of a function, and what the Lambda runtime adds to it. */
    environmentOf: (name: string): Record<string, string> => ({
      AWS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: 'a',
      AWS_SECRET_ACCESS_KEY: 'b',
      AWS_SESSION_TOKEN: 'c',
      ...functionSchema.parse(one('Function', name)).environment.variables,
    }),
    taskOf: (name: string) => {
      const [container] = containersSchema.parse(one('TaskDefinition', `${name}Task`).containerDefinitions);
      return { container, environment: Object.fromEntries(container.environment.map(({ name, value }) => [name, value])) };
    },
    /** Every policy that the program itself wrote, by its role. */
    policies: () =>
      cloud().resources.flatMap(({ type, name, inputs }) => {
        if (type.endsWith(':RolePolicy')) return [{ name, policy: policySchema.parse(inputs.policy) }];
        if (!type.endsWith(':Role') || inputs.inlinePolicies === undefined) return [];
        return [{ name, policy: inlinePolicy.parse(inputs) }];
      }),
  };
}
export type Within = ReturnType<typeof within>;
