import { tenantSchema } from '@loraloom/jobs';
import { createRemoteJWKSet, customFetch, errors, jwtVerify } from 'jose';
import { z } from 'zod';
import { type Scope, scopeSchema } from './access.ts';
import type { Caller } from './caller.ts';

/** Signatures of a key pair only: what is published must not be enough to sign. */
export const algorithmSchema = z.enum(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']);

/** Whose JWTs are good, and what is read from them. */
export interface Oidc {
  issuer: string;
  audience: string;
  /** `jwks_uri` in the issuer's `/.well-known/openid-configuration`. */
  jwksUrl: string;
  algorithms: readonly z.infer<typeof algorithmSchema>[];
  /** Name of the claim that is the tenant. */
  tenantClaim: string;
  /** Name of the claim that has the scopes: a list, or words with spaces between. Others than ours mean nothing. */
  scopesClaim: string;
  /** Default: the global one. */
  fetch?: typeof fetch;
}

const clockToleranceSeconds = 10;
const subjectSchema = z.string().min(1).max(255);
const scopesSchema = z.union([z.array(z.string()), z.string().transform((text) => text.split(' '))]).default([]);
const isScope = (word: string): word is Scope => scopeSchema.safeParse(word).success;

/**
 * Tells callers by their JWT. The issuer's keys are kept for ten minutes, and fetched anew for a key that is not among them,
 * twice a minute at most.
 * @returns undefined, from the function that it returns, if the JWT is not good
 */
export function oidcCallers({ issuer, audience, jwksUrl, algorithms, tenantClaim, scopesClaim, fetch }: Oidc) {
  const keySet = createRemoteJWKSet(new URL(jwksUrl), fetch ? { [customFetch]: fetch } : {});
  const options = {
    issuer,
    audience,
    algorithms: [...algorithms],
    requiredClaims: ['exp'],
    clockTolerance: clockToleranceSeconds,
  };

  return async (jwt: string): Promise<Caller | undefined> => {
    try {
      const { payload } = await jwtVerify(jwt, keySet, options);
      const tenant = tenantSchema.safeParse(payload[tenantClaim]).data;
      const subject = subjectSchema.safeParse(payload.sub).data;
      const scopes = scopesSchema.safeParse(payload[scopesClaim]).data;
      if (tenant === undefined || subject === undefined || scopes === undefined) return undefined;
      return { tenant, id: `sub ${subject}`, scopes: scopes.filter(isScope) };
    } catch (error) {
      if (error instanceof errors.JOSEError && refusals.has(error.code)) return undefined;
      throw error;
    }
  };
}

/** What is wrong with a JWT, as opposed to its issuer being out of reach. */
const refusals = new Set([
  errors.JWTInvalid.code,
  errors.JWTExpired.code,
  errors.JWTClaimValidationFailed.code,
  errors.JWSInvalid.code,
  errors.JWSSignatureVerificationFailed.code,
  errors.JOSEAlgNotAllowed.code,
  errors.JOSENotSupported.code,
  errors.JWKSNoMatchingKey.code,
  errors.JWKSMultipleMatchingKeys.code,
]);
