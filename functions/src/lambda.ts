import { fetchBucket } from '@loraloom/jobs/bucket/fetch';
import { dynamoLimits } from '@loraloom/jobs/limits/dynamo';
import { fetchQueue } from '@loraloom/jobs/queue/fetch';
import { openModerator, parsePolicy } from '@loraloom/moderation';
import { handle } from 'hono/aws-lambda';
import { z } from 'zod';
import { createApp } from './app.ts';
import { algorithmSchema } from './oidc.ts';

const environment = z
  .object({
    AWS_REGION: z.string(),
    AWS_ACCESS_KEY_ID: z.string(),
    AWS_SECRET_ACCESS_KEY: z.string(),
    AWS_SESSION_TOKEN: z.string().optional(),
    BUCKET: z.string(),
    TRAININGS_QUEUE_URL: z.url(),
    IMAGES_QUEUE_URL: z.url(),
    LIMITS_TABLE: z.string(),
    KEY_PEPPER: z.string().min(32),
    /** What moderation lets through, as JSON; see docs/moderation.md. */
    MODERATION: z.string().optional(),
    /** `true` keeps prompts out of the audit. */
    REDACT_PROMPTS: z.enum(['true', 'false']).default('false'),
    /** Comma-separated. */
    CORS_ORIGINS: z.string().default(''),
    /** With these three, JWTs of this issuer are good as well; see oidc.ts. */
    OIDC_ISSUER: z.string().optional(),
    OIDC_AUDIENCE: z.string().optional(),
    OIDC_JWKS_URL: z.url().optional(),
    OIDC_ALGORITHMS: z
      .string()
      .default('RS256,ES256')
      .transform((list) => list.split(','))
      .pipe(z.array(algorithmSchema)),
    OIDC_TENANT_CLAIM: z.string().default('tenant'),
    OIDC_SCOPES_CLAIM: z.string().default('scope'),
  })
  .parse(process.env);

const { OIDC_ISSUER: issuer, OIDC_AUDIENCE: audience, OIDC_JWKS_URL: jwksUrl } = environment;
if ([issuer, audience, jwksUrl].some(Boolean) && !(issuer && audience && jwksUrl)) {
  throw new Error('want all of OIDC_ISSUER, OIDC_AUDIENCE and OIDC_JWKS_URL, or none');
}
const oidc = issuer &&
  audience &&
  jwksUrl && {
    issuer,
    audience,
    jwksUrl,
    algorithms: environment.OIDC_ALGORITHMS,
    tenantClaim: environment.OIDC_TENANT_CLAIM,
    scopesClaim: environment.OIDC_SCOPES_CLAIM,
  };

/** Of an event of API Gateway's HTTP APIs (payload 2.0), who the gateway was called by. */
const gatewaySchema = z.object({ requestContext: z.object({ http: z.object({ sourceIp: z.string() }) }) });

const region = environment.AWS_REGION;
const credentials = () => ({
  accessKeyId: environment.AWS_ACCESS_KEY_ID,
  secretAccessKey: environment.AWS_SECRET_ACCESS_KEY,
  sessionToken: environment.AWS_SESSION_TOKEN,
});
const bucket = fetchBucket({ endpoint: `https://s3.${region}.amazonaws.com`, region, credentials }, environment.BUCKET);
const sqs = { endpoint: `https://sqs.${region}.amazonaws.com`, region, credentials };

export const handler = handle(
  createApp({
    bucket,
    queues: {
      trainings: fetchQueue(sqs, environment.TRAININGS_QUEUE_URL),
      images: fetchQueue(sqs, environment.IMAGES_QUEUE_URL),
    },
    limits: dynamoLimits({ endpoint: `https://dynamodb.${region}.amazonaws.com`, region, credentials }, environment.LIMITS_TABLE),
    ...(oidc ? { oidc } : {}),
    pepper: environment.KEY_PEPPER,
    // The gateway gives up after 30.
    waitSeconds: 25,
    moderator: openModerator(parsePolicy(environment.MODERATION)),
    redactPrompts: environment.REDACT_PROMPTS === 'true',
    ipOf: (c) => gatewaySchema.safeParse(c.env).data?.requestContext.http.sourceIp,
    origins: environment.CORS_ORIGINS.split(',').filter((origin) => origin !== ''),
    log: (line) => console.log(JSON.stringify(line)),
  }),
);
