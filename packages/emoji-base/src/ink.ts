import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodePng, type Picture } from '@loraloom/engine';
import { backgrounds } from './backgrounds.ts';
import { compose } from './compose.ts';
import { renderFitted } from './icons.ts';
import { styleFolder } from './index.ts';
import { bytesOf, centred } from './pictures.ts';
import { plainSubjects, type Subject } from './subjects.ts';

/*
 * The style that the base has never seen: Fluent's high-contrast drawings, black lines on white.
 * `node packages/emoji-base/src/ink.ts` writes style-ink/ anew.
 */

/** Subjects that the style shows. The base knows as many again, and only from colour: the style must be carried over to those. */
const shown = [
  ['strawberry', 'cherries', 'lemon', 'carrot', 'pizza', 'hamburger', 'ice cream', 'dog'],
  ['panda', 'frog', 'pig', 'fox', 'fish', 'ladybug', 'penguin', 'sunflower'],
  ['tulip', 'moon', 'sun', 'house', 'bus', 'gift', 'soccer ball', 'crown'],
].flat();

export const inkSubjects: readonly Subject[] = plainSubjects.filter(({ caption }) => shown.includes(caption));

/** Begins as the base's own captions do and ends in words that the base has not learned. */
export const inkCaption = ({ caption }: Subject): string => `${caption}, white background, ink drawing`;

/** One drawing, placed as the base's pictures are. */
export async function inkPicture({ icon }: Subject, size = 128): Promise<Picture> {
  const white = backgrounds.find(({ name }) => name === 'white')?.colour ?? [255, 255, 255];
  const drawing = await renderFitted('fluent-emoji-high-contrast', icon, size);
  return { width: size, height: size, data: bytesOf(compose(drawing, size, white, centred)) };
}

/** Writes the pictures as PNG, and metadata.csv with their captions. */
export async function writeInkStyle(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const lines = ['file_name,caption'];
  for (const subject of inkSubjects) {
    const name = `${subject.caption.replaceAll(' ', '-')}.png`;
    await writeFile(join(folder, name), await encodePng(await inkPicture(subject)));
    lines.push(`${name},"${inkCaption(subject)}"`);
  }
  await writeFile(join(folder, 'metadata.csv'), `${lines.join('\n')}\n`);
}

if (import.meta.main) await writeInkStyle(styleFolder);
