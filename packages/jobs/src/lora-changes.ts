import type { Bucket } from './bucket/port.ts';
import { images } from './image.ts';
import { keys } from './keys.ts';
import { readJob } from './lifecycle.ts';
import { type Cover, type LoraChange, type LoraName, loraNameSchema } from './lora.ts';
import { NoSuchRecord, updateRecord } from './record.ts';
import { readLoraVersion } from './registry.ts';
import { RequestError } from './request-error.ts';
import { wantPictures } from './wanted.ts';

/**
 * Changes what stands under a name, for all of its versions.
 * @throws RequestError `unknown_version`, and of the cover `unknown_file`, `file_not_uploaded`, `not_a_picture`, `unknown_image`
 * @throws NoSuchRecord if there is no such name, or it was deleted
 */
export async function changeLora(bucket: Bucket, tenant: string, name: string, change: LoraChange): Promise<LoraName> {
  const { latest: wanted, ...description } = change;
  if (change.cover) await keepCover(bucket, tenant, name, change.cover);
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

/** Where the copy of a cover lies: neither a file nor a picture that was made need last as long as the LoRA. */
export function coverKey(tenant: string, name: string, cover: Cover): string {
  return keys.loraCover(tenant, name, 'file_id' in cover ? cover.file_id : `${cover.image_id}-${cover.index}`);
}

async function keepCover(bucket: Bucket, tenant: string, name: string, cover: Cover): Promise<void> {
  if ('file_id' in cover) {
    await wantPictures(bucket, tenant, [{ id: cover.file_id, param: 'cover.file_id' }]);
    await bucket.copy(keys.fileContent(tenant, cover.file_id), coverKey(tenant, name, cover));
    return;
  }
  const job = await readJob(bucket, images, tenant, cover.image_id);
  const picture = job?.output?.images.find(({ index }) => index === cover.index);
  if (!picture || !(await bucket.copy(picture.key, coverKey(tenant, name, cover))))
    throw new RequestError('unknown_image', `no picture ${cover.index} of ${cover.image_id} (any more)`, 'cover.image_id');
}
