import type { Bucket } from './bucket/port.ts';
import { readFile } from './file.ts';
import { idTime } from './ids.ts';
import { images } from './image.ts';
import { keys } from './keys.ts';
import { readJob } from './lifecycle.ts';
import {
  type Cover,
  type LoraChange,
  type LoraName,
  type LoraVersion,
  loraNameSchema,
  loraVersionSchema,
  parseLoraReference,
} from './lora.ts';
import { createRecord, listFolders, NoSuchRecord, readRecord, updateRecord } from './record.ts';
import { RequestError } from './request-error.ts';

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

/**
 * Changes what stands under a name, for all of its versions.
 * @throws RequestError `unknown_version`, and of the cover `unknown_file`, `file_not_uploaded`, `not_a_picture`, `unknown_image`
 * @throws NoSuchRecord if there is no such name, or it was deleted
 */
export async function changeLora(bucket: Bucket, tenant: string, name: string, change: LoraChange): Promise<LoraName> {
  const { latest: wanted, ...description } = change;
  if (change.cover) await wantCover(bucket, tenant, change.cover);
  const version = wanted === undefined ? undefined : await readLoraVersion(bucket, tenant, name, wanted);
  return updateLiving(bucket, tenant, name, (before) => {
    if (wanted !== undefined && !(version && before.versions.includes(wanted)))
      throw new RequestError('unknown_version', `${name} has no version ${wanted}; GET …/versions lists them`, 'latest');
    const changed = Object.fromEntries(Object.entries(description).filter(([, value]) => value !== undefined));
    return { ...before, ...changed, ...(version ? { latest: version } : {}) };
  });
}

/** Most tenants that one LoRA is shared with. */
const mostShared = 100;

/**
 * Lets another tenant use a LoRA, or no longer. Whether there is such a tenant is nobody's business, so it is not looked at.
 * @throws RequestError `too_many_shares`
 * @throws NoSuchRecord if there is no such name, or it was deleted
 */
export function shareLora(bucket: Bucket, tenant: string, name: string, other: string, shared: boolean): Promise<LoraName> {
  return updateLiving(bucket, tenant, name, (before) => {
    const others = before.shared_with.filter((one) => one !== other);
    if (shared && others.length >= mostShared)
      throw new RequestError('too_many_shares', `${name} is shared with ${mostShared} tenants already`, 'tenant');
    return { ...before, shared_with: shared ? [...others, other].sort() : others };
  });
}

/**
 * Takes a name out of use. Its versions stay, for the receipts of pictures that were made with them; a version that is
 * published later brings the name back, without them.
 * @throws NoSuchRecord if there is no such name, or it was deleted
 */
export async function deleteLora(bucket: Bucket, tenant: string, name: string): Promise<void> {
  await updateLiving(bucket, tenant, name, (before) => ({
    ...before,
    latest: null,
    versions: [],
    trigger_words: [],
    license: null,
    cover: null,
    shared_with: [],
    deleted_at: new Date().toISOString(),
  }));
}

function updateLiving(bucket: Bucket, tenant: string, name: string, change: (before: LoraName) => LoraName) {
  const key = keys.loraRecord(tenant, name);
  return updateRecord(bucket, key, loraNameSchema, (before) => {
    if (before.latest === null) throw new NoSuchRecord(key);
    return change(before);
  });
}

/** Where a cover's picture lies. */
export function coverKey(tenant: string, cover: Cover): string {
  return 'file_id' in cover ? keys.fileContent(tenant, cover.file_id) : keys.picture(tenant, cover.image_id, cover.index);
}

async function wantCover(bucket: Bucket, tenant: string, cover: Cover): Promise<void> {
  if ('file_id' in cover) {
    const file = await readFile(bucket, tenant, cover.file_id);
    if (!file) throw new RequestError('unknown_file', `no file ${cover.file_id}`, 'cover.file_id');
    if (!file.content_type.startsWith('image/'))
      throw new RequestError('not_a_picture', `${cover.file_id} is ${file.content_type}; want a picture`, 'cover.file_id');
    if (!file.uploaded)
      throw new RequestError('file_not_uploaded', `${cover.file_id} has not been uploaded; PUT its bytes first`, 'cover.file_id');
    return;
  }
  const job = await readJob(bucket, images, tenant, cover.image_id);
  if (!job?.output?.images.some(({ index }) => index === cover.index))
    throw new RequestError('unknown_image', `no picture ${cover.index} of ${cover.image_id}`, 'cover.image_id');
}
