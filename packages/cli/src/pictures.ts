import { readdir, readFile } from 'node:fs/promises';
import { join, parse, resolve } from 'node:path';
import { parse as parseCsv } from 'csv-parse/sync';
import { UserError } from './error.ts';

/** A picture of a folder and what it shows, as far as that is said anywhere. */
export interface CaptionedFile {
  path: string;
  /** Within the folder that was asked for. */
  name: string;
  /** Empty if there is none. */
  caption: string;
  /** How often an epoch shows it. */
  repeats: number;
  /** A file beside it that would be its caption, had it another ending. */
  strayCaption?: string;
}

/** Endings of pictures, of those too that have to be saved anew before they can be read. */
const pictureEndings = /\.(png|jpe?g|webp|bmp|gif|tiff?|heic|avif|jxl)$/i;
/** Endings that captions have with one trainer or another. */
const captionEndings = ['.txt', '.caption', '.cap', '.json'];

/** A folder that pictures lie in. */
interface Folder {
  path: string;
  /** What comes before its files' names. */
  prefix: string;
  files: ReadonlySet<string>;
  repeats: number;
  /** Of the pictures that have none of their own. */
  caption: string;
}

/**
 * The pictures of a folder, by name, with their captions: those of a CSV list, then those of files beside the pictures. Folders in it
 * that are called `10_name` are kohya's: an epoch shows their pictures ten times, and `name` is the caption of those without one.
 * @param metadataPath default: metadata.csv in the folder, if there is one
 * @throws UserError if the folder or the list is not there, has no pictures, or names some that are not there
 */
export async function readPictures(
  root: string,
  { metadataPath, captionExtension }: { metadataPath?: string | undefined; captionExtension: string },
): Promise<CaptionedFile[]> {
  const { whole, parts } = await foldersOf(root);
  const pictures = parts.flatMap((folder) =>
    [...folder.files]
      .filter((file) => pictureEndings.test(file))
      .map((file) => ({ folder, file, stem: parse(file).name, name: folder.prefix + file })),
  );
  if (pictures.length === 0) throw new UserError(`${resolve(root)}: no pictures; want JPEG, PNG or WebP files`);
  const lists = metadataPath === undefined ? [whole, ...parts].filter(({ files }) => files.has('metadata.csv')) : [whole];
  const captions = new Map<string, string>();
  for (const { path: within, prefix } of lists) {
    const list = metadataPath ?? join(within, 'metadata.csv');
    const named = pictures.filter(({ name }) => name.startsWith(prefix));
    for (const [said, caption] of await readList(list)) {
      // Lists name pictures by their path, by their name, or by what is before the dot.
      const { base } = parse(said);
      const fits = [
        named.filter(({ name }) => `/${prefix}${said}`.endsWith(`/${name}`)),
        named.filter(({ file }) => file === base),
        named.filter(({ stem }) => stem === base),
      ].find(({ length }) => length > 0);
      if (!fits)
        throw new UserError(`${list}: names ${said}, which is not in ${within}; put it there or take it out of the list`);
      for (const { name } of fits) captions.set(name, caption);
    }
  }
  return Promise.all(
    pictures.map(
      async ({ folder: { path, prefix, files, repeats, caption: usual }, file, stem, name }): Promise<CaptionedFile> => {
        const beside = `${stem}${captionExtension}`;
        const stray = captionEndings.map((ending) => `${stem}${ending}`).find((one) => one !== beside && files.has(one));
        const own = captions.get(name) ?? (files.has(beside) ? (await readFile(join(path, beside), 'utf8')).trim() : undefined);
        // A caption that was meant for it is not passed over in silence.
        const caption = own ?? (stray === undefined ? usual : '');
        return {
          path: join(path, file),
          name,
          caption,
          repeats,
          ...(stray === undefined ? {} : { strayCaption: prefix + stray }),
        };
      },
    ),
  );
}

/** A folder, and those that its pictures lie in: itself, or the ones in it that are named as kohya's trainer has them. */
async function foldersOf(root: string): Promise<{ whole: Folder; parts: Folder[] }> {
  const read = async (path: string) =>
    (
      await readdir(path, { withFileTypes: true }).catch((cause) => {
        throw new UserError(`${resolve(path)}: cannot be read (${cause.code}); want a folder of pictures`, { cause });
      })
    ).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const filesOf = (entries: Awaited<ReturnType<typeof read>>) =>
    new Set(entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name));
  const entries = await read(root);
  const whole: Folder = { path: root, prefix: '', files: filesOf(entries), repeats: 1, caption: '' };
  const parts: Folder[] = [];
  for (const entry of entries) {
    const [, count, caption = ''] = (entry.isDirectory() && /^(\d+)_(.*)$/.exec(entry.name)) || [];
    if (count === undefined) continue;
    const path = join(root, entry.name);
    const repeats = Number(count);
    if (repeats < 1 || repeats > 1000)
      throw new UserError(`${resolve(path)}: its pictures would be shown ${count} times; want 1 to 1000`);
    parts.push({ path, prefix: `${entry.name}/`, files: filesOf(await read(path)), repeats, caption: caption.trim() });
  }
  const beside = [...whole.files].find((file) => pictureEndings.test(file));
  if (parts.length > 0 && beside !== undefined)
    throw new UserError(
      `${resolve(root)}: ${beside} lies beside ${parts[0]?.prefix}; want all pictures in such folders, or none`,
    );
  return { whole, parts: parts.length > 0 ? parts : [whole] };
}

/** Names that lists give their columns. */
const nameColumns = ['file_name', 'filename', 'file', 'image', 'image_path', 'path', 'name', 'img'];
const captionColumns = ['caption', 'prompt', 'text', 'description'];

/** Captions by file name from a CSV file, with or without a header; commas in captions that nobody quoted stay. */
async function readList(path: string): Promise<Map<string, string>> {
  const text = await readFile(path, 'utf8').catch((cause) => {
    throw new UserError(`metadata_path ${resolve(path)}: cannot be read (${cause.code}); want a CSV file`, { cause });
  });
  const rows: string[][] = parseCsv(text, {
    bom: true,
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
    trim: true,
  });
  const [first = []] = rows;
  const header = pictureEndings.test(first[0] ?? '') ? undefined : first.map((title) => title.toLowerCase());
  const columnOf = (titles: readonly string[], usual: number) => {
    const found = header?.findIndex((title) => titles.includes(title)) ?? -1;
    return found < 0 ? usual : found;
  };
  const [nameAt, captionAt] = [columnOf(nameColumns, 0), columnOf(captionColumns, 1)];
  const last = captionAt === (header?.length ?? 2) - 1;
  return new Map(
    rows
      .slice(header ? 1 : 0)
      .map((row) => [row[nameAt] ?? '', row.slice(captionAt, last ? row.length : captionAt + 1).join(', ')]),
  );
}
