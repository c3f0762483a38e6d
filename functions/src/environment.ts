import { fetchBucket } from '@loraloom/jobs/bucket/fetch';
import { dynamoLimits } from '@loraloom/jobs/limits/dynamo';
import { fetchQueue } from '@loraloom/jobs/queue/fetch';
import { openModerator, parsePolicy } from '@loraloom/moderation';
import { z } from 'zod';
import { algorithmSchema } from './oidc.ts';
import type { Services } from './services.ts';

/** What the API is told by its environment. */
const environmentSchema = z.object({
  AWS_REGION: z.string(),
  AWS_ACCESS_KEY_ID: z.string(),
  AWS_SECRET_ACCESS_KEY: z.string(),
  AWS_SESSION_TOKEN: z.string().optional(),
  /** Where other services than AWS' own are, by the names that its SDKs have for that. */
  AWS_ENDPOINT_URL_S3: z.url().optional(),
  AWS_ENDPOINT_URL_SQS: z.url().optional(),
  AWS_ENDPOINT_URL_DYNAMODB: z.url().optional(),
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
});

/**
 * All that a deployment of the API on AWS' services says of itself, wherever the API runs: through signed fetch, with Web APIs alone.
 * @param variables of the environment
 */
export function openServices(variables: unknown): Omit<Services, 'waitSeconds' | 'ipOf'> {
  const environment = environmentSchema.parse(variables);
  const { AWS_REGION: region, OIDC_ISSUER: issuer, OIDC_AUDIENCE: audience, OIDC_JWKS_URL: jwksUrl } = environment;
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

  const credentials = () => ({
    accessKeyId: environment.AWS_ACCESS_KEY_ID,
    secretAccessKey: environment.AWS_SECRET_ACCESS_KEY,
    sessionToken: environment.AWS_SESSION_TOKEN,
  });
  const access = (service: 's3' | 'sqs' | 'dynamodb', given: string | undefined) => ({
    endpoint: given ?? `https://${service}.${region}.amazonaws.com`,
    region,
    credentials,
  });
  const sqs = access('sqs', environment.AWS_ENDPOINT_URL_SQS);
  return {
    bucket: fetchBucket(access('s3', environment.AWS_ENDPOINT_URL_S3), environment.BUCKET),
    queues: {
      trainings: fetchQueue(sqs, environment.TRAININGS_QUEUE_URL),
      images: fetchQueue(sqs, environment.IMAGES_QUEUE_URL),
    },
    limits: dynamoLimits(access('dynamodb', environment.AWS_ENDPOINT_URL_DYNAMODB), environment.LIMITS_TABLE),
    ...(oidc ? { oidc } : {}),
    pepper: environment.KEY_PEPPER,
    moderator: openModerator(parsePolicy(environment.MODERATION)),
    redactPrompts: environment.REDACT_PROMPTS === 'true',
    origins: environment.CORS_ORIGINS.split(',').filter((origin) => origin !== ''),
    log: (line) => console.log(JSON.stringify(line)),
  };
}
