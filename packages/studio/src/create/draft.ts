import type { ImageRequestInput, ImageView, LoraRecord, Model } from '@loraloom/client';
import * as z from 'zod/mini';

export const shapes = ['square', 'portrait', 'landscape', 'tall', 'wide'] as const;
export type Shape = (typeof shapes)[number];

const number = (least: number, most: number) => z.number().check(z.minimum(least), z.maximum(most));
const seed = z.int().check(z.minimum(0), z.maximum(2 ** 32 - 1));

/** Each falls back on its own: what an older page kept of the rest stays. */
const draftSchema = z.object({
  /** null: the first one */
  model: z.catch(z.nullable(z.string()), null),
  prompt: z.catch(z.string(), ''),
  negative: z.catch(z.string(), ''),
  /** By reference: `name`, `owner/name` or `name@lora_…`. */
  styles: z.catch(z.array(z.object({ name: z.string(), weight: number(-2, 2) })), []),
  shape: z.catch(z.enum(shapes), 'square'),
  count: z.catch(z.int().check(z.minimum(1), z.maximum(8)), 2),
  /** null: the model's own */
  steps: z.catch(z.nullable(z.int().check(z.minimum(1), z.maximum(150))), null),
  guidance: z.catch(z.nullable(number(0, 30)), null),
  /** null: a new one each time */
  seed: z.catch(z.nullable(seed), null),
  /** The picture to start from, uploaded, with a small likeness of it as a data URL. */
  start: z.catch(z.nullable(z.object({ fileId: z.string(), likeness: z.string(), strength: number(0, 1) })), null),
});

/** A picture as it is about to be asked for. */
export type Draft = z.infer<typeof draftSchema>;

/** @param kept whatever the browser kept of an earlier visit */
export const readDraft = (kept: unknown): Draft => draftSchema.safeParse(kept).data ?? draftSchema.parse({});

/** With one more style, unless it is chosen already. */
export const withStyle = (draft: Draft, name: string): Draft =>
  draft.styles.some((one) => one.name === name) ? draft : { ...draft, styles: [...draft.styles, { name, weight: 1 }] };

/** Sides in pixels, multiples of 32 where the model's resolution is one of 128, and at most 1024. */
export function sidesOf(shape: Shape, { resolution }: Pick<Model, 'resolution'>): [width: number, height: number] {
  const long = Math.min(1024, resolution * 1.25);
  const short = long === resolution * 1.25 ? resolution * 0.75 : resolution * 0.625;
  const sides: Record<Shape, [number, number]> = {
    square: [resolution, resolution],
    portrait: [resolution * 0.75, resolution],
    landscape: [resolution, resolution * 0.75],
    tall: [short, long],
    wide: [long, short],
  };
  return sides[shape];
}

/** The shape whose proportions are nearest. */
function shapeOf(width: number, height: number): Shape {
  const of = (shape: Shape) => {
    const [w, h] = sidesOf(shape, { resolution: 512 });
    return Math.abs(Math.log(w / h) - Math.log(width / height));
  };
  return shapes.reduce((best, shape) => (of(shape) < of(best) ? shape : best));
}

/** The trigger words of the chosen styles that a prompt does not have in it. */
export function missingTriggers(prompt: string, styles: Draft['styles'], loras: readonly LoraRecord[]): string[] {
  const said = prompt.toLowerCase();
  const words = styles.flatMap(({ name }) => loras.find((lora) => lora.name === name)?.trigger_words ?? []);
  return [...new Set(words)].filter((word) => !said.includes(word.toLowerCase()));
}

/** What the API is asked for. */
export function requestOf(draft: Draft, model: Model, loras: readonly LoraRecord[]): ImageRequestInput {
  const [width, height] = sidesOf(draft.shape, model);
  return {
    model: model.name,
    prompt: [draft.prompt.trim(), ...missingTriggers(draft.prompt, draft.styles, loras)].join(', '),
    negative_prompt: draft.negative.trim(),
    n: draft.count,
    width,
    height,
    loras: draft.styles,
    ...(draft.steps === null ? {} : { steps: draft.steps }),
    ...(draft.guidance === null ? {} : { guidance_scale: draft.guidance }),
    ...(draft.seed === null ? {} : { seed: draft.seed }),
    ...(draft.start === null ? {} : { image: draft.start.fileId, image_strength: draft.start.strength }),
  };
}

/** The settings that a request was made with, with another seed each time; its start picture has no likeness here any more. */
export function draftOf({ request }: Pick<ImageView, 'request'>, before: Draft): Draft {
  const { model, prompt, negative_prompt, n, width, height, steps, guidance_scale, loras, image, image_strength } = request;
  return {
    model,
    prompt,
    negative: negative_prompt,
    styles: loras.map(({ name, weight }) => ({ name, weight })),
    shape: shapeOf(width, height),
    count: n,
    steps,
    guidance: guidance_scale,
    seed: null,
    start:
      image === undefined
        ? null
        : {
            fileId: image,
            likeness: before.start?.fileId === image ? before.start.likeness : '',
            strength: image_strength ?? 0.6,
          },
  };
}

/** The same once more, of other seeds. */
export function moreLike({ request }: Pick<ImageView, 'request'>): ImageRequestInput {
  const { seed: _, loras, ...rest } = request;
  return { ...rest, loras: loras.map(sameVersion) };
}

/** The same picture, without its styles: what they make of it shows beside it. */
export function withoutStyles({ request }: Pick<ImageView, 'request'>, seed: number): ImageRequestInput {
  return { ...request, seed, n: 1, loras: [] };
}

/** The very version that was used, whichever is the latest by now. */
function sameVersion({ name, lora_id, sha256: _, ...weights }: ImageView['request']['loras'][number]) {
  return { ...weights, name: `${name.split('@')[0]}@${lora_id}` };
}
