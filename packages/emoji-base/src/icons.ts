import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import sharp from 'sharp';
import { z } from 'zod';

/** The icon sets that pictures are made from; the last is held out as a style. */
export const sets = ['noto', 'fluent-emoji-flat', 'noto-v1', 'fluent-emoji-high-contrast'] as const;
export type IconSet = (typeof sets)[number];

const IconFile = z.object({
  icons: z.record(z.string(), z.object({ body: z.string(), width: z.number().optional(), height: z.number().optional() })),
  width: z.number().default(16),
  height: z.number().default(16),
});
type IconFile = z.infer<typeof IconFile>;

const open = new Map<IconSet, IconFile>();

function iconFile(set: IconSet): IconFile {
  const require = createRequire(import.meta.url);
  const file = open.get(set) ?? IconFile.parse(require(`@iconify-json/${set}/icons.json`));
  open.set(set, file);
  return file;
}

/** Names of a set's icons, without the variants by skin tone. */
export const iconNames = (set: IconSet): string[] =>
  Object.keys(iconFile(set).icons).filter((name) => !/skin-tone|(light|medium|dark)-skin/.test(name));

/** The square of an icon that is shown, in parts of its width. */
interface Frame {
  left: number;
  top: number;
  side: number;
}

/** One icon as straight (not premultiplied) RGBA bytes, `size × size`. */
export async function renderIcon(
  set: IconSet,
  name: string,
  size: number,
  { left, top, side }: Frame = { left: 0, top: 0, side: 1 },
): Promise<Uint8Array> {
  const file = iconFile(set);
  const icon = file.icons[name];
  if (!icon) throw new Error(`${set} has no icon ${name}`);
  const [width, height] = [icon.width ?? file.width, icon.height ?? file.height];
  const box = [left, top, side, (side * height) / width].map((part) => part * width).join(' ');
  // The inner svg cuts off what is drawn beyond the icon's own frame.
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="${box}" width="${size}" height="${size}"><svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${icon.body.replaceAll('currentColor', '#000')}</svg></svg>`;
  // The engine blocks every loader but those of uploads; these drawings are our own.
  sharp.unblock({ operation: ['VipsForeignLoadSvg'] });
  const { data } = await sharp(Buffer.from(svg)).resize(size, size).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  return new Uint8Array(data.buffer, data.byteOffset, data.length);
}

/** One icon, its longer side made to fill the frame: sets leave different margins. */
export async function renderFitted(set: IconSet, name: string, size: number): Promise<Uint8Array> {
  return renderIcon(set, name, size, boundsOf(await renderIcon(set, name, size), size));
}

/** The smallest square around what is seen, centred on it, with half a pixel to spare for soft edges. */
function boundsOf(icon: Uint8Array, size: number): Frame {
  let [left, top, right, bottom] = [size, size, 0, 0];
  for (let i = 0; i < size * size; i++) {
    if ((icon[i * 4 + 3] ?? 0) < 8) continue;
    const [x, y] = [i % size, Math.floor(i / size)];
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x + 1), Math.max(bottom, y + 1)];
  }
  const side = Math.max(right - left, bottom - top) + 1;
  return { left: (left + right - side) / 2 / size, top: (top + bottom - side) / 2 / size, side: side / size };
}

/** Icons of a set rendered once and kept in one file: `names.length` pictures of `size × size × 4` bytes, in order. */
export function renderedIcons(folder: string, set: IconSet, names: readonly string[], size: number): Promise<Uint8Array[]> {
  return kept(folder, `${set}-${size}`, names, size, (name) => renderIcon(set, name, size));
}

/** Icons of several sets as `renderFitted` gives them, kept likewise. */
export function fittedIcons(
  folder: string,
  icons: readonly { set: IconSet; name: string }[],
  size: number,
): Promise<Uint8Array[]> {
  return kept(folder, `fitted-${size}`, icons, size, ({ set, name }) => renderFitted(set, name, size));
}

/** The file is named for what is in it, so a changed list is rendered anew. */
async function kept<T>(
  folder: string,
  name: string,
  items: readonly T[],
  size: number,
  render: (item: T) => Promise<Uint8Array>,
): Promise<Uint8Array[]> {
  const digest = createHash('sha256').update(JSON.stringify(items)).digest('hex').slice(0, 12);
  const path = join(folder, `${name}-${digest}.rgba`);
  const each = size * size * 4;
  const cut = (all: Uint8Array) => items.map((_, i) => all.subarray(i * each, (i + 1) * each));
  const before = await readFile(path).catch(() => undefined);
  if (before?.length === each * items.length) return cut(before);
  const all = new Uint8Array(each * items.length);
  for (const [i, item] of items.entries()) all.set(await render(item), i * each);
  await mkdir(folder, { recursive: true });
  await writeFile(`${path}.${process.pid}`, all);
  await rename(`${path}.${process.pid}`, path);
  return cut(all);
}
