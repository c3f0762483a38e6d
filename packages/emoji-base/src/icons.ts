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
export const iconNames = (set: IconSet): string[] => Object.keys(iconFile(set).icons).filter((name) => !/skin-tone|(light|medium|dark)-skin/.test(name));

/** One icon as straight (not premultiplied) RGBA bytes, `size × size`. */
export async function renderIcon(set: IconSet, name: string, size: number): Promise<Uint8Array> {
  const file = iconFile(set);
  const icon = file.icons[name];
  if (!icon) throw new Error(`${set} has no icon ${name}`);
  const [width, height] = [icon.width ?? file.width, icon.height ?? file.height];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 ${width} ${height}" width="${size}" height="${size}">${icon.body.replaceAll('currentColor', '#000')}</svg>`;
  const { data } = await sharp(Buffer.from(svg)).resize(size, size).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  return new Uint8Array(data.buffer, data.byteOffset, data.length);
}

/** Icons rendered once and kept in one file: `names.length` pictures of `size × size × 4` bytes, in order. */
export async function renderedIcons(folder: string, set: IconSet, names: readonly string[], size: number): Promise<Uint8Array[]> {
  const path = join(folder, `${set}-${size}-${names.length}.rgba`);
  const each = size * size * 4;
  const cut = (all: Uint8Array) => names.map((_, i) => all.subarray(i * each, (i + 1) * each));
  const kept = await readFile(path).catch(() => undefined);
  if (kept?.length === each * names.length) return cut(kept);
  const all = new Uint8Array(each * names.length);
  for (const [i, name] of names.entries()) all.set(await renderIcon(set, name, size), i * each);
  await mkdir(folder, { recursive: true });
  await writeFile(`${path}.tmp`, all);
  await rename(`${path}.tmp`, path);
  return cut(all);
}
