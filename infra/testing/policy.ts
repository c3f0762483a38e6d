import { z } from 'zod';

const many = z.union([z.string(), z.array(z.string())]).transform((value) => (Array.isArray(value) ? value : [value]));

/** A statement as Pulumi's `getPolicyDocument` takes it. */
export const statementSchema = z.looseObject({
  effect: z.string().nullish(),
  actions: z.array(z.string()).nullish(),
  resources: z.array(z.string()).nullish(),
  principals: z.array(z.looseObject({ type: z.string(), identifiers: z.array(z.string()) })).nullish(),
  conditions: z.array(z.looseObject({ test: z.string(), variable: z.string(), values: z.array(z.string()) })).nullish(),
});

/** A policy as IAM takes it. */
export const policySchema = z
  .string()
  .transform((text): unknown => JSON.parse(text))
  .pipe(
    z.object({
      Statement: z.array(
        z.object({
          Effect: z.enum(['Allow', 'Deny']),
          Action: many.default([]),
          Resource: many.default([]),
          Principal: z.unknown().optional(),
          Condition: z.unknown().optional(),
        }),
      ),
    }),
  );
export type Policy = z.infer<typeof policySchema>;

/** What the data source makes of its statements. */
export function policyJson(statements: z.infer<typeof statementSchema>[]): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: statements.map(({ effect, actions, resources, principals, conditions }) => ({
      Effect: effect ?? 'Allow',
      Action: actions ?? [],
      Resource: resources ?? undefined,
      Principal: principals && Object.fromEntries(principals.map(({ type, identifiers }) => [type, identifiers])),
      Condition: conditions?.length
        ? Object.fromEntries(conditions.map(({ test, variable, values }) => [test, { [variable]: values }]))
        : undefined,
    })),
  });
}

/** Whether a policy of allowances without conditions (which is all that the tested roles have) allows an action. */
export function allows({ Statement }: Policy, action: string, resource: string): boolean {
  return Statement.some(
    ({ Effect, Action, Resource, Condition }) =>
      Effect === 'Allow' &&
      Condition === undefined &&
      Action.some((pattern) => matches(pattern, action)) &&
      Resource.some((pattern) => matches(pattern, resource)),
  );
}

/** IAM's patterns: `*` is any text, `/` too. */
function matches(pattern: string, text: string): boolean {
  return new RegExp(`^${pattern.split('*').map(RegExp.escape).join('.*')}$`).test(text);
}
