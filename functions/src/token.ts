import { type Bucket, keyIdSchema, loraReferenceSchema, newId, tenantSchema, tokenIdSchema } from '@loraloom/jobs';
import { errors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { scopeSchema } from './access.ts';
import { readApiKey } from './api-key.ts';
import type { Caller } from './caller.ts';

/** What may be asked for with a token in all; without one of them, what its tenant may. */
export const quotaSchema = z.strictObject({
  pictures: z.int().min(0).max(1_000_000).optional(),
  training_steps: z.int().min(0).max(100_000_000).optional(),
});
export type Quota = z.infer<typeof quotaSchema>;

/** A token never manages keys, whatever its minter may do. */
const tokenScopes = z.array(scopeSchema.exclude(['admin'])).min(1);

/** A token as it is asked for. */
export const tokenRequestSchema = z
  .strictObject({
    scopes: tokenScopes.meta({ description: 'Any that your key has as well', example: ['images'] }),
    loras: z
      .array(loraReferenceSchema)
      .max(50)
      .optional()
      .meta({ description: 'The only LoRAs that it may use or train; default: all' }),
    quota: quotaSchema.default({}).meta({ description: 'In all; default: what the tenant has left' }),
    minutes: z
      .int()
      .min(1)
      .max(24 * 60)
      .default(60)
      .meta({ description: 'Until it expires, which it does no later than your key' }),
  })
  .meta({ id: 'TokenRequest' });
export type TokenRequest = z.infer<typeof tokenRequestSchema>;

/** As a caller writes it, defaults left out. */
export type TokenRequestInput = z.input<typeof tokenRequestSchema>;

/** What is signed: the token's whole truth, except that it ends with the key that minted it. */
const claimsSchema = z.object({
  jti: tokenIdSchema,
  tenant: tenantSchema,
  key_id: keyIdSchema,
  scopes: tokenScopes,
  loras: z.array(loraReferenceSchema).optional(),
  quota: quotaSchema,
  exp: z.int(),
});

const prefix = 'llt_';
const algorithm = 'HS256';
const type = 'loraloom-token+jwt';

export const isToken = (credential: string) => credential.startsWith(prefix);

/** Mints a token for a key of a tenant: `llt_` and a JWT. Times in milliseconds since 1970. */
export async function mintToken(pepper: string, by: { tenant: string; keyId: string }, wanted: TokenRequest, expiresAt: number) {
  const { scopes, loras, quota } = wanted;
  const id = newId('token');
  const exp = Math.floor(expiresAt / 1000);
  const claims = { jti: id, tenant: by.tenant, key_id: by.keyId, scopes, ...(loras ? { loras } : {}), quota, exp };
  const jwt = await new SignJWT(claims).setProtectedHeader({ alg: algorithm, typ: type }).sign(await secretOf(pepper));
  return { id, token: prefix + jwt, expires_at: new Date(exp * 1000).toISOString() };
}

/**
 * Who calls with this token.
 * @returns undefined if it is not one of ours, has expired, or its key was revoked
 */
export async function verifyToken(bucket: Bucket, pepper: string, token: string): Promise<Caller | undefined> {
  const options = { algorithms: [algorithm], typ: type, requiredClaims: ['exp'] };
  const verified = await jwtVerify(token.slice(prefix.length), await secretOf(pepper), options).catch((error) => {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  });
  const claims = claimsSchema.safeParse(verified?.payload).data;
  if (!claims) return undefined;
  const { jti, tenant, key_id, scopes, loras, quota, exp } = claims;
  if (!(await readApiKey(bucket, tenant, key_id))) return undefined;
  return { tenant, id: jti, scopes, token: { loras, quota, expiresAt: exp * 1000 } };
}

/** HKDF-SHA-256 of the pepper (RFC 5869): what signs tokens cannot be used to hash keys, nor the other way round. */
async function secretOf(pepper: string): Promise<CryptoKey> {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const material = await crypto.subtle.importKey('raw', bytes(pepper), 'HKDF', false, ['deriveKey']);
  const derivation = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: bytes('loraloom tokens') };
  const wanted = { name: 'HMAC', hash: 'SHA-256', length: 256 };
  return crypto.subtle.deriveKey(derivation, material, wanted, false, ['sign', 'verify']);
}
