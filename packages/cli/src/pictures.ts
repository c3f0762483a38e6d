import { readdir, readFile } from 'node:fs/promises';
import { join, parse, resolve } from 'node:path';
import { parse as parseCsv } from 'csv-parse/sync';
import { UserError } from './error.ts';

/** A picture of a folder and what it shows, as far as that is said anywhere. */
export interface CaptionedFile {
  path: string;
  /** Within its folder. */
  name: string;
  /** Empty if there is none. */
  caption: string;
  /** A file beside it that would be its caption, had it another ending. */
  strayCaption?: string;
}

/** Endings of pictures, of those too that have to be saved anew before they can be read. */
const pictureEndings = /\.(png|jpe?g|webp|bmp|gif|tiff?|heic|avif|jxl)$/i;
/** Endings that captions have with one trainer or another. */
const captionEndings = ['.txt', '.caption', '.cap', '.json'];

/**
 * The pictures of a folder, by name, with their captions: those of a CSV list, then those of files beside the pictures.
 * @param metadataPath default: metadata.csv in the folder, if there is one
 * @throws UserError if the folder or the list is not there, has no pictures, or names some that are not there
 */
export async function readPictures(
  folder: string,
  { metadataPath, captionExtension }: { metadataPath?: string | undefined; captionExtension: string },
): Promise<CaptionedFile[]> {
  const names = (
    await readdir(folder, { withFileTypes: true }).catch((cause) => {
      throw new UserError(`${resolve(folder)}: cannot be read (${cause.code}); want a folder of pictures`, { cause });
    })
  ).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const files = new Set(names.filter((entry) => !entry.isDirectory()).map(({ name }) => name));
  const pictures = [...files].filter((name) => pictureEndings.test(name));
  if (pictures.length === 0) {
    const repeated = names.find((entry) => entry.isDirectory() && /^\d+_/.test(entry.name))?.name;
    const further =
      repeated &&
      `; for kohya’s ${repeated}, want train_data_dir: ${join(folder, repeated)} and ${parseInt(repeated, 10)} times the epochs`;
    throw new UserError(`${resolve(folder)}: no pictures; want JPEG, PNG or WebP files${further ?? ''}`);
  }
  const list = metadataPath ?? (files.has('metadata.csv') ? join(folder, 'metadata.csv') : undefined);
  const listed = list === undefined ? new Map<string, string>() : await readList(list);
  const captions = new Map<string, string>();
  for (const [name, caption] of listed) {
    // Lists name pictures by their path, by their name, or by what is before the dot.
    const file = [parse(name).base, ...pictures.filter((picture) => parse(picture).name === parse(name).base)].find((one) =>
      files.has(one),
    );
    if (file === undefined)
      throw new UserError(`${list}: names ${name}, which is not in ${folder}; put it there or take it out of the list`);
    captions.set(file, caption);
  }
  return Promise.all(
    pictures.map(async (name): Promise<CaptionedFile> => {
      const beside = `${parse(name).name}${captionExtension}`;
      const path = join(folder, name);
      const caption = captions.get(name) ?? (files.has(beside) ? (await readFile(join(folder, beside), 'utf8')).trim() : '');
      const stray = captionEndings
        .map((ending) => `${parse(name).name}${ending}`)
        .find((one) => one !== beside && files.has(one));
      return { path, name, caption, ...(stray === undefined ? {} : { strayCaption: stray }) };
    }),
  );
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
