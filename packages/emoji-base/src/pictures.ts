import type { Random } from '@loraloom/engine';
import { type Background, backgrounds } from './backgrounds.ts';
import { compose, type Placement } from './compose.ts';
import { fittedIcons, type IconSet } from './icons.ts';
import { plainSubjects, type Subject } from './subjects.ts';

/** One subject of one set over one background. */
export interface Example {
  subject: Subject;
  set: IconSet;
  background: Background;
  /** "red apple, blue background" */
  caption: string;
  /** Straight RGBA, `size × size`; the subject's longer side fills the frame. */
  icon: Uint8Array;
  /** The picture as bytes, `[size, size, 3]`. */
  render(placement?: Placement): Uint8Array;
  /** The picture as planes in −1 … 1, `[3, size, size]`. */
  planes(placement?: Placement): Float32Array;
}

export const captionOf = (subject: Subject, background: Background): string =>
  `${subject.caption}, ${background.name} background`;

/** In the middle, a tenth of the frame free on each side. */
export const centred: Placement = { flip: false, right: 0, down: 0, scale: 0.8 };

/** A little off: the margin stays at least five of 128 pixels wide. */
export function randomPlacement(random: Random, size = 128): Placement {
  const shift = () => ((random.uniform() * 2 - 1) * size) / 32;
  return { flip: random.uniform() < 0.5, right: shift(), down: shift(), scale: 0.74 + 0.12 * random.uniform() };
}

/**
 * All pictures that the base is trained on: every subject in every one of its sets over every background.
 * The icons are rendered once and kept below `folder`.
 * @param folder where rendered icons are kept
 */
export async function dataset({
  size = 128,
  subjects = plainSubjects,
  folder,
}: {
  size?: number;
  subjects?: readonly Subject[];
  folder: string;
}): Promise<Example[]> {
  const designs = subjects.flatMap((subject) => subject.sets.map((set) => ({ subject, set })));
  const icons = await fittedIcons(
    folder,
    designs.map(({ subject, set }) => ({ set, name: subject.icon })),
    size,
  );
  return designs.flatMap(({ subject, set }, i) =>
    backgrounds.map((background) => example(subject, set, background, icons[i] ?? new Uint8Array(), size)),
  );
}

function example(subject: Subject, set: IconSet, background: Background, icon: Uint8Array, size: number): Example {
  const planes = (placement = centred) => compose(icon, size, background.colour, placement);
  return {
    subject,
    set,
    background,
    caption: captionOf(subject, background),
    icon,
    planes,
    render: (placement) => bytesOf(planes(placement)),
  };
}

/** Planes in −1 … 1, `[3, height, width]`, to bytes `[height, width, 3]`. */
export function bytesOf(planes: Float32Array): Uint8Array {
  const plane = planes.length / 3;
  const bytes = new Uint8ClampedArray(planes.length);
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) bytes[i * 3 + c] = ((planes[c * plane + i] ?? 0) + 1) * 127.5;
  }
  return new Uint8Array(bytes.buffer);
}
