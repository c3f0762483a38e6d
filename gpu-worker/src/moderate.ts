import type { Picture } from '@loraloom/engine';
import type { Refusal } from '@loraloom/jobs';
import { type Classifier, openClassifier } from '@loraloom/nsfw';
import { Failure } from './failure.ts';
import type { Services } from './services.ts';

type Stage = Extract<Refusal['stage'], 'training_picture' | 'start_picture' | 'output_picture'>;

/** The score from which on a picture of each kind is refused; none: they are not looked at. */
export type PictureThresholds = Partial<Record<Stage, number | undefined>>;

/** Looks at pictures. */
export interface PictureModerator {
  /** Why a picture is refused; undefined if it is not. */
  look(picture: Picture, stage: Stage): Promise<Refusal | undefined>;
  close(): Promise<void>;
}

/** Refuses pornography, drawn or photographed. The network is opened when the first picture comes, and once. */
export function pictureModerator(thresholds: PictureThresholds): PictureModerator {
  let opening: Promise<Classifier> | undefined;
  return {
    async look(picture, stage) {
      const threshold = thresholds[stage];
      if (threshold === undefined) return undefined;
      opening ??= openClassifier();
      const { hentai, porn } = await (await opening).classify(picture);
      const score = Math.round((hentai + porn) * 1000) / 1000;
      return score < threshold ? undefined : { category: 'sexual', score, threshold, stage };
    },
    async close() {
      await (await opening)?.close();
      opening = undefined;
    },
  };
}

/** Looks at a picture to train on, as it was uploaded. @throws Failure `content_refused`, naming the file */
export async function refuseTrainingPicture(
  { moderator }: Pick<Services, 'moderator'>,
  file: string,
  picture: Picture,
  param: string,
): Promise<void> {
  const refusal = await moderator?.look(picture, 'training_picture');
  if (refusal) throw contentRefused(file, param, refusal);
}

/** Looks at a picture to paint over, as it will be painted over. @throws Failure `content_refused` */
export async function refuseStartPicture(moderator: PictureModerator | undefined, picture: Picture): Promise<void> {
  const refusal = await moderator?.look(picture, 'start_picture');
  if (refusal) throw contentRefused('image', 'image', refusal);
}

/** The pictures that may be kept, each with its place among all. */
export async function fitOnly<Made extends { picture: Picture }>(
  { moderator }: Pick<Services, 'moderator'>,
  made: readonly Made[],
): Promise<[index: number, Made][]> {
  const looked = await Promise.all(made.map(({ picture }) => moderator?.look(picture, 'output_picture')));
  return [...made.entries()].filter(([index]) => looked[index] === undefined);
}

export const contentRefused = (what: string, param: string | null, refusal: Refusal): Failure =>
  new Failure('content_refused', `${what}: refused as ${refusal.category}; want a picture without it`, param, { refusal });
