import { resizeCover } from '@loraloom/engine';
import { lookOf, type PictureFacts, preflight, readFile, type TrainingRecord } from '@loraloom/jobs';
import type { Captioned } from '@loraloom/trainer';
import type { Attempt } from './attempt.ts';
import { refuseTrainingPicture } from './moderate.ts';
import { readWhole } from './pictures.ts';
import type { Services } from './services.ts';

/** Pictures are compared at this size; what they look like is told in fewer pixels yet. */
const side = 64;

/** A training's pictures, as the trainer takes them. */
export interface TrainingPictures {
  files: Captioned[];
  prior: Captioned[];
  /** Adds to the record's warnings which of the pictures look alike, once all have been read. */
  tell(): Promise<void>;
}

/**
 * Opens the pictures of a training, whose bytes are fetched and decoded once, when the trainer wants them: what is looked for in
 * their pixels is looked for on the way.
 * @param looked an earlier attempt has looked for it already
 * @returns pictures whose `read` throws Failure, naming the one that cannot be decoded or is refused
 */
export function openPictures(
  services: Pick<Services, 'bucket' | 'moderator'>,
  { tenant, record: { request }, signal, amend }: Pick<Attempt<TrainingRecord>, 'tenant' | 'record' | 'signal' | 'amend'>,
  looked: boolean,
): TrainingPictures {
  const seen: PictureFacts[] = [];
  const open = (list: 'files' | 'prior_files') =>
    request[list].map(({ file_id, caption, repeats }, i): Captioned => {
      const param = `${list}.${i}.file_id`;
      const read = async () => {
        signal.throwIfAborted();
        const picture = await readWhole(services.bucket, tenant, file_id, param);
        if (looked) return picture;
        await refuseTrainingPicture(services, file_id, picture, param);
        if (list === 'files') {
          const file = await readFile(services.bucket, tenant, file_id);
          const look = lookOf(await resizeCover(picture, side, side));
          seen[i] = { name: file?.name ?? file_id, caption, look, ...(file && { sha256: file.sha256 }) };
        }
        return picture;
      };
      return { read, caption, repeats };
    });
  return {
    files: open('files'),
    prior: open('prior_files'),
    async tell() {
      if (looked) return;
      const code = 'near_duplicate_picture';
      const found = preflight({ request, pictures: seen }).filter((finding) => finding.code === code);
      if (found.length === 0) return;
      await amend((job) => ({ ...job, warnings: [...job.warnings.filter((finding) => finding.code !== code), ...found] }));
    },
  };
}
