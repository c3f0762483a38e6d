import type { Bucket } from './bucket/port.ts';
import { idTime } from './ids.ts';
import { keys } from './keys.ts';
import { type LoraName, type LoraVersion, loraNameSchema, loraVersionSchema, parseLoraReference } from './lora.ts';
import { createRecord, listFolders, readRecord, updateRecord } from './record.ts';

/** A name of a tenant's, deleted ones too. */
export async function readLoraName(bucket: Bucket, tenant: string, name: string): Promise<LoraName | undefined> {
  return (await readRecord(bucket, keys.loraRecord(tenant, name), loraNameSchema))?.record;
}

/** Any version that there ever was, whether its name is deleted or not: for those who have its id from a receipt. */
export async function readLoraVersion(bucket: Bucket, owner: string, name: string, id: string): Promise<LoraVersion | undefined> {
  return (await readRecord(bucket, keys.loraVersion(owner, name, id), loraVersionSchema))?.record;
}

/** A version of a LoRA, under its name, which is its owner's. */
export type FoundLora = { owner: string; name: LoraName; version: LoraVersion };

/** Whose LoRA a tenant means, and which version. Undefined if there is none, it was deleted, or it is not shared with the tenant. */
export async function findLora(bucket: Bucket, tenant: string, reference: string): Promise<FoundLora | undefined> {
  const { owner = tenant, name, version } = parseLoraReference(reference);
  const found = await readLoraName(bucket, owner, name);
  if (!found?.latest || (owner !== tenant && !found.shared_with.includes(tenant))) return undefined;
  if (version === undefined || version === found.latest.lora_id) return { owner, name: found, version: found.latest };
  if (!found.versions.includes(version)) return undefined;
  const older = await readLoraVersion(bucket, owner, name, version);
  return older && { owner, name: found, version: older };
}

/** A page of a tenant's LoRAs, by name. `next` is the `after` of the next page. */
export async function listLoras(
  bucket: Bucket,
  tenant: string,
  page: { after?: string | undefined; limit: number },
): Promise<{ loras: (LoraName & { latest: LoraVersion })[]; next: string | undefined }> {
  const { names, next } = await listFolders(bucket, keys.loras(tenant), page);
  const found = await Promise.all(names.map((name) => readLoraName(bucket, tenant, name)));
  return { loras: found.flatMap((lora) => (lora?.latest ? [{ ...lora, latest: lora.latest }] : [])), next };
}

/** A page of a LoRA's versions, newest first. */
export async function listLoraVersions(
  bucket: Bucket,
  tenant: string,
  { name, versions }: LoraName,
  { after, limit }: { after?: string | undefined; limit: number },
): Promise<{ versions: LoraVersion[]; next: string | undefined }> {
  const left = versions.filter((id) => after === undefined || id > after);
  const ids = left.slice(0, limit);
  const found = await Promise.all(ids.map((id) => readLoraVersion(bucket, tenant, name, id)));
  return { versions: found.filter((version) => version !== undefined), next: left.length > limit ? ids.at(-1) : undefined };
}

/**
 * Adds a version, whose weights are there already, to its name, and makes it the latest unless that one was asked for
 * later. May be repeated. What a version says of itself holds for the name from then on; what it leaves open stays.
 */
export async function publishLora(bucket: Bucket, tenant: string, version: LoraVersion): Promise<void> {
  const { name, lora_id, trigger_words, license } = version;
  const first = (await createRecord(bucket, keys.loraVersion(tenant, name, lora_id), version))
    ? version
    : ((await readLoraVersion(bucket, tenant, name, lora_id)) ?? version);
  const fresh = {
    name,
    latest: first,
    versions: [lora_id],
    trigger_words,
    license,
    cover: null,
    shared_with: [],
    deleted_at: null,
  };
  if (await createRecord(bucket, keys.loraRecord(tenant, name), fresh)) return;
  await updateRecord(bucket, keys.loraRecord(tenant, name), loraNameSchema, (before) => {
    if (before.versions.includes(lora_id)) return undefined;
    // Published once, then the name was deleted: repeating the first must not undo the second.
    if (before.deleted_at !== null && first.created_at <= before.deleted_at) return undefined;
    if (before.latest === null) return fresh;
    // Ids sort newest first.
    const versions = [...before.versions, lora_id].sort();
    if (idTime(before.latest.lora_id) > idTime(lora_id)) return { ...before, versions };
    return {
      ...before,
      latest: first,
      versions,
      trigger_words: trigger_words.length > 0 ? trigger_words : before.trigger_words,
      license: license ?? before.license,
    };
  });
}
