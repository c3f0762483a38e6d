import { lookOf, type PictureFacts, preflight, readFile, type TrainingRecord } from '@loraloom/jobs';
import type { Attempt } from './attempt.ts';
import { readPicture } from './pictures.ts';
import type { Services } from './services.ts';

/** Pictures are compared at this size; what they look like is told in fewer pixels yet. */
const side = 64;
/** How many pictures are read at a time. */
const readers = 8;

/**
 * The part of a training's preflight that needs pixels, before its model is opened: decodes every picture, and adds to the record's
 * warnings which of them look alike.
 * @throws Failure naming a picture that cannot be decoded
 */
export async function lookOver(
  { bucket }: Pick<Services, 'bucket'>,
  { tenant, record, signal, amend }: Attempt<TrainingRecord>,
): Promise<void> {
  const { request } = record;
  const pictures: PictureFacts[] = [];
  const left = [...request.files.entries()];
  const reader = async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      signal.throwIfAborted();
      const [i, { file_id, caption }] = next;
      const [file, picture] = await Promise.all([
        readFile(bucket, tenant, file_id),
        readPicture(bucket, tenant, file_id, `files.${i}.file_id`, side, side),
      ]);
      pictures[i] = { name: file?.name ?? file_id, caption, look: lookOf(picture), ...(file && { sha256: file.sha256 }) };
    }
  };
  await Promise.all(Array.from({ length: readers }, reader));
  const code = 'near_duplicate_picture';
  const found = preflight({ request, pictures }).filter((finding) => finding.code === code);
  if (found.length === 0) return;
  await amend((job) => ({
    ...job,
    warnings: [...job.warnings.filter((finding) => finding.code !== code), ...found],
  }));
}
