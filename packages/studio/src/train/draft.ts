import type { TrainingRequestInput } from '@loraloom/client';
import * as z from 'zod/mini';
import { loraName } from '../registry.ts';
import { stemOf } from './captions.ts';

/** What is to be learnt, and what suits that to begin with; all of it can be changed. */
export const presets = {
  /** How things are drawn: it shows whatever is in the picture, seen from either side. */
  style: { targets: 'attention+ff', rank: 8, steps: 400, flip_aug: true, caption_dropout: 0.05 },
  /** One thing with its colours, shape and lettering, that is never mirrored. */
  product: { targets: 'attention+ff', rank: 16, steps: 400, flip_aug: false, caption_dropout: 0 },
  /** Somebody with a face that is not the same on both sides. */
  character: { targets: 'attention+ff', rank: 16, steps: 600, flip_aug: false, caption_dropout: 0 },
} as const satisfies Record<string, Partial<TrainingRequestInput>>;
export type Preset = keyof typeof presets;
export const presetNames = ['style', 'product', 'character'] as const satisfies readonly Preset[];

const pictureSchema = z.object({
  /** Of the uploaded file. */
  fileId: z.string(),
  name: z.string(),
  caption: z.string(),
  /** Small, as a data URL; empty if the browser cannot read the picture. */
  likeness: z.string(),
  width: z.number(),
  height: z.number(),
});
export type DraftPicture = z.infer<typeof pictureSchema>;

/** Each falls back on its own: what an older page kept of the rest stays. */
const draftSchema = z.object({
  /** null: the first one */
  model: z.catch(z.nullable(z.string()), null),
  title: z.catch(z.string(), ''),
  preset: z.catch(z.enum(presetNames), 'style'),
  trigger: z.catch(z.string(), ''),
  pictures: z.catch(z.array(pictureSchema), []),
  /** Pictures keep their shape; otherwise they are cut to a square. */
  buckets: z.catch(z.boolean(), false),
  /** null: the preset's */
  steps: z.catch(z.nullable(z.int().check(z.minimum(1), z.maximum(100_000))), null),
  rank: z.catch(z.nullable(z.int().check(z.minimum(1), z.maximum(128))), null),
  /** One a line; null: what the first pictures show. */
  samples: z.catch(z.nullable(z.string()), null),
});

/** A training as it is about to be asked for; the pictures are uploaded. */
export type Draft = z.infer<typeof draftSchema>;

/** @param kept whatever the browser kept of an earlier visit */
export const readDraft = (kept: unknown): Draft => draftSchema.safeParse(kept).data ?? draftSchema.parse({});

/** Pictures in the order of their names: 2 before 10. */
export const withPicture = (draft: Draft, picture: DraftPicture): Draft => ({
  ...draft,
  pictures: [...draft.pictures.filter(({ fileId }) => fileId !== picture.fileId), picture].sort((a, b) =>
    a.name.localeCompare(b.name, 'en', { numeric: true }),
  ),
});

export const withCaption = (draft: Draft, id: string, caption: string): Draft => ({
  ...draft,
  pictures: draft.pictures.map((one) => (one.fileId === id ? { ...one, caption } : one)),
});

/** @returns the draft with the captions of a list, and how many of them found their picture */
export function withCaptions(draft: Draft, captions: ReadonlyMap<string, string>): [draft: Draft, found: number] {
  let found = 0;
  const pictures = draft.pictures.map((one) => {
    const caption = captions.get(stemOf(one.name));
    if (caption === undefined) return one;
    found++;
    return { ...one, caption };
  });
  return [{ ...draft, pictures }, found];
}

/** @returns the draft with `wanted` for `text` in every caption, whatever its case, and in how many captions it stood */
export function replaced(draft: Draft, text: string, wanted: string): [draft: Draft, changed: number] {
  if (text === '') return [draft, 0];
  const pattern = new RegExp(text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'giu');
  let changed = 0;
  const pictures = draft.pictures.map((one) => {
    const caption = one.caption.replaceAll(pattern, () => wanted);
    if (caption === one.caption) return one;
    changed++;
    return { ...one, caption };
  });
  return [{ ...draft, pictures }, changed];
}

/** How many sample pictures are made at each checkpoint unless prompts are given. */
const fewSamples = 2;
const mostSamples = 4;

/** What sample pictures are made of. */
export function samplesOf({ samples, pictures, trigger }: Draft): string[] {
  if (samples !== null) return linesOf(samples).slice(0, mostSamples);
  // A training puts the trigger word before the captions by itself; a prompt has to say it.
  const word = trigger.trim();
  const captions = [...new Set(pictures.map(({ caption }) => caption.trim()).filter((caption) => caption !== ''))];
  return captions.slice(0, fewSamples).map((caption) => (word === '' ? caption : `${word}, ${caption}`));
}

const linesOf = (text: string) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

/** So many times a training is looked at on its way. */
const checkpoints = 5;
/** Fewer pictures are all needed for the training itself. */
const enoughToValidate = 10;

/** What the API is asked for. */
export function requestOf(draft: Draft, model: string): TrainingRequestInput {
  const { preset, pictures, trigger, buckets } = draft;
  const steps = draft.steps ?? presets[preset].steps;
  const validate = pictures.length >= enoughToValidate;
  return {
    ...presets[preset],
    model,
    name: loraName(draft.title),
    files: pictures.map(({ fileId, caption }) => ({ file_id: fileId, caption: caption.trim() })),
    ...(trigger.trim() === '' ? {} : { trigger_word: trigger.trim() }),
    steps,
    ...(draft.rank === null ? {} : { rank: draft.rank }),
    batch_size: Math.max(1, Math.min(4, pictures.length)),
    enable_bucket: buckets,
    ...(validate ? { validation_split: 0.1 } : {}),
    save_steps: Math.ceil(steps / checkpoints),
    sample_prompts: samplesOf(draft),
  };
}

/** Shapes that pictures are sorted into with enable_bucket, width to height: the trainer's. */
const ratios = [1, 4 / 3, 3 / 4, 3 / 2, 2 / 3, 16 / 9, 9 / 16, 2, 1 / 2];

/** What of a picture is trained on, as shares of its width and height; what is beyond is cut off evenly. */
export function cropOf(
  { width, height }: { width: number; height: number },
  buckets: boolean,
): { width: number; height: number } {
  const shape = width / height;
  const distance = (ratio: number) => Math.abs(Math.log(ratio / shape));
  const ratio = buckets ? ratios.reduce((nearest, other) => (distance(other) < distance(nearest) ? other : nearest)) : 1;
  return shape > ratio ? { width: ratio / shape, height: 1 } : { width: 1, height: shape / ratio };
}
