import { type Bucket, keyIdSchema, keys, listFolders, newId, putRecord, readRecord, tenantSchema } from '@loraloom/jobs';
import { z } from 'zod';
import { scopeSchema } from './access.ts';

/** An API key as the API shows it. */
export const apiKeySchema = z
  .object({
    id: keyIdSchema,
    object: z.literal('key'),
    name: z.string().nullable(),
    scopes: z.array(scopeSchema),
    created_at: z.iso.datetime(),
    expires_at: z.iso.datetime().nullable(),
  })
  .meta({ id: 'Key' });
export type ApiKey = z.infer<typeof apiKeySchema>;

/** The record, which is kept twice: by the key's hash to find out whose it is, by its id to list it. */
const apiKeyRecordSchema = apiKeySchema.extend({ tenant: tenantSchema, hash: z.string().regex(/^[0-9a-f]{64}$/) });
export type ApiKeyRecord = z.infer<typeof apiKeyRecordSchema>;

export type NewApiKey = Pick<ApiKey, 'name' | 'scopes' | 'expires_at'>;

/** Makes a key for a tenant. It is in the answer and nowhere else: only its hash is kept. */
export async function createApiKey(bucket: Bucket, pepper: string, tenant: string, wanted: NewApiKey) {
  const now = Date.now();
  const key = await newApiKey();
  const id = newId('key', now);
  const view: ApiKey = { id, object: 'key', ...wanted, created_at: new Date(now).toISOString() };
  await storeApiKey(bucket, pepper, key, { ...view, tenant });
  return { ...view, key };
}

/**
 * Keeps a key that was made before.
 * @throws Error if it is none of `newApiKey`
 */
export async function storeApiKey(bucket: Bucket, pepper: string, key: string, record: Omit<ApiKeyRecord, 'hash'>) {
  const hash = await hashApiKey(pepper, key);
  if (hash === undefined) throw new Error('want a key that newApiKey made');
  // Known to the tenant before it is good: whatever happens in between, there is no key that cannot be revoked.
  await putRecord(bucket, keys.apiKeyOf(record.tenant, record.id), { ...record, hash });
  await putRecord(bucket, keys.apiKey(hash), { ...record, hash });
}

/** The key with this hash, expired or not. */
export async function findApiKey(bucket: Bucket, hash: string): Promise<ApiKeyRecord | undefined> {
  return (await readRecord(bucket, keys.apiKey(hash), apiKeyRecordSchema))?.record;
}

/** A tenant's key, expired or not. */
export async function readApiKey(bucket: Bucket, tenant: string, id: string): Promise<ApiKeyRecord | undefined> {
  return (await readRecord(bucket, keys.apiKeyOf(tenant, id), apiKeyRecordSchema))?.record;
}

/** A page of a tenant's keys, newest first. */
export async function listApiKeys(bucket: Bucket, tenant: string, page: { after?: string | undefined; limit: number }) {
  const { names, next } = await listFolders(bucket, keys.apiKeys(tenant), page);
  const found = await Promise.all(names.map((id) => readApiKey(bucket, tenant, id)));
  return { data: found.filter((key) => key !== undefined).map((key) => apiKeySchema.parse(key)), next: next ?? null };
}

/** Ends a key, and with it the tokens that it minted. False if there is no such key. */
export async function revokeApiKey(bucket: Bucket, tenant: string, id: string): Promise<boolean> {
  const record = await readApiKey(bucket, tenant, id);
  if (!record) return false;
  // In the order in which it can be repeated if this process dies in between.
  await bucket.delete(keys.apiKey(record.hash));
  await bucket.delete(keys.apiKeyOf(tenant, id));
  return true;
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
