import { openModerator, parsePolicy } from '@loraloom/moderation';
import { z } from 'zod';
import { cloudLimits, openCloud } from './cloud.ts';
import { algorithmSchema } from './oidc.ts';
import { pricesFrom } from './prices.ts';
import type { Services } from './services.ts';

/** What the API is told by its environment, beside what every function is. */
const environmentSchema = z.object({
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
 * All that a deployment of the API on AWS' services says of itself, wherever the API runs.
 * @param variables of the environment
 */
export function openServices(variables: unknown): Omit<Services, 'waitSeconds' | 'ipOf'> {
  const environment = environmentSchema.parse(variables);
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
  return {
    ...openCloud(variables),
    limits: cloudLimits(variables),
    ...(oidc ? { oidc } : {}),
    pepper: environment.KEY_PEPPER,
    moderator: openModerator(parsePolicy(environment.MODERATION)),
    prices: pricesFrom(variables),
    redactPrompts: environment.REDACT_PROMPTS === 'true',
    origins: environment.CORS_ORIGINS.split(',').filter((origin) => origin !== ''),
  };
}
