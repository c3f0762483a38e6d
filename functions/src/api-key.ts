import { type Bucket, keys, readRecord, tenantSchema } from '@loraloom/jobs';
import { z } from 'zod';

/** Whose key it is. */
export const callerSchema = z.object({ tenant: tenantSchema, key_id: z.string() });
export type Caller = z.infer<typeof callerSchema>;

/** Finds a key's owner by the key's hash; the keys themselves are stored nowhere. */
export interface KeyStore {
  find(hash: string): Promise<Caller | undefined>;
}

/** Keys as records in the bucket, each named by its hash: adding and revoking one is writing and deleting an object. */
export function bucketKeys(bucket: Bucket): KeyStore {
  return { find: async (hash) => (await readRecord(bucket, keys.apiKey(hash), callerSchema))?.record };
}

/** A new key: `ll_`, 256 random bits and a checksum, in hex. */
export async function newApiKey(): Promise<string> {
  const secret = hex(crypto.getRandomValues(new Uint8Array(32)));
  return `ll_${secret}${await checksum(secret)}`;
}

/**
 * The hash under which a key is stored: HMAC-SHA-256 with the pepper, hex. Looking up what came out of a keyed hash
 * is safe however the comparison is done: its timing tells nothing about a key, since nobody without the pepper
 * can choose or predict the hash. (A slow password hash would be wasted on 256 random bits.)
 * @returns undefined if this cannot be one of our keys: another prefix or length, or a checksum that does not fit
 */
export async function hashApiKey(pepper: string, key: string): Promise<string | undefined> {
  const [, secret, check] = /^ll_([0-9a-f]{64})([0-9a-f]{8})$/.exec(key) ?? [];
  if (secret === undefined || check !== (await checksum(secret))) return undefined;
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const hmacKey = await crypto.subtle.importKey('raw', encoder.encode(pepper), algorithm, false, ['sign']);
  return hex(await crypto.subtle.sign('HMAC', hmacKey, encoder.encode(key)));
}

const encoder = new TextEncoder();

/** Tells a mistyped key, or a stranger's in a secret scan, without asking the store. Hides nothing. */
async function checksum(secret: string): Promise<string> {
  return hex(await crypto.subtle.digest('SHA-256', encoder.encode(`loraloom:${secret}`))).slice(0, 8);
}

function hex(bytes: ArrayBuffer | Uint8Array): string {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
