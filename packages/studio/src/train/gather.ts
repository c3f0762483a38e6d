import { captionOf, readCaptions, stemOf } from './captions.ts';

/** A file with where it lay in a folder or a zip. */
export interface Found {
  path: string;
  file: File;
}

export interface Gathered {
  pictures: { file: File; caption: string }[];
  /** Names of what is of no use here, or could not be read. */
  leftOut: string[];
  /** Captions of pictures that may be here already, by the stems of their names. */
  captions: Map<string, string>;
}

/** The kinds of picture that the API takes, by the endings of their names. */
const types: Record<string, string> = { jpg: 'image/jpeg', jpeg: 'image/jpeg', png: 'image/png', webp: 'image/webp' };
export const accepted = [...new Set(Object.values(types)), '.zip', '.csv', '.txt'].join(',');

/** Most bytes that a zip may unpack to: what one tab can hold. */
const mostUnpacked = 1e9;

const endingOf = (path: string) => /\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? '';
/** What systems and editors leave lying about. */
const isLitter = (path: string) => /(^|\/)(\.|__MACOSX\/|Thumbs\.db$|desktop\.ini$)/.test(path);

/** Everything that was dropped, also what lies in dropped folders. To be called before the drop's event is over. */
export function filesOf(transfer: DataTransfer): Promise<Found[]> {
  const entries = [...transfer.items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  return within(entries);
}

async function within(entries: readonly FileSystemEntry[]): Promise<Found[]> {
  const found = await Promise.all(
    entries.map(async (entry) => {
      if (isDirectory(entry)) return within(await listOf(entry));
      if (!isFile(entry)) return [];
      const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
      return [{ path: entry.fullPath.slice(1), file }];
    }),
  );
  return found.flat();
}

const isDirectory = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory;
const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;

/** Browsers tell a hundred at a time, and none when there are no more. */
async function listOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
  }
}

/** Pictures with their captions: from a `.csv` list, the `.txt` beside each, or its own name. Zips are unpacked. */
export async function gather(given: readonly Found[]): Promise<Gathered> {
  const leftOut: string[] = [];
  const files: Found[] = [];
  for (const one of given) {
    if (endingOf(one.path) !== 'zip') files.push(one);
    else {
      const inside = await unpack(one.file);
      if (inside) files.push(...inside);
      else leftOut.push(one.path);
    }
  }
  const captions = new Map<string, string>();
  const pictures: File[] = [];
  const lists: File[] = [];
  for (const { path, file } of files) {
    const ending = endingOf(path);
    const type = types[ending];
    if (isLitter(path)) continue;
    if (type !== undefined) pictures.push(file.type === type ? file : new File([file], file.name, { type }));
    else if (ending === 'txt') captions.set(stemOf(path), (await file.text()).trim());
    else if (ending === 'csv') lists.push(file);
    else leftOut.push(path);
  }
  for (const list of lists) for (const [stem, caption] of await readCaptions(await list.text())) captions.set(stem, caption);
  return {
    pictures: pictures.map((file) => ({ file, caption: captions.get(stemOf(file.name)) ?? captionOf(file.name) })),
    leftOut,
    captions,
  };
}

/** @returns undefined for a file that is no zip, is damaged, or unpacks to more than a tab can hold */
async function unpack(zip: File): Promise<Found[] | undefined> {
  const [{ unzipSync }, bytes] = await Promise.all([import('fflate'), zip.arrayBuffer()]);
  let unpacked = 0;
  const filter = ({ name, originalSize }: { name: string; originalSize: number }) => {
    if (name.endsWith('/') || isLitter(name)) return false;
    unpacked += originalSize;
    if (unpacked > mostUnpacked) throw new RangeError(`more than ${mostUnpacked} bytes`);
    return true;
  };
  let contents: Record<string, Uint8Array>;
  try {
    contents = unzipSync(new Uint8Array(bytes), { filter });
  } catch {
    return undefined;
  }
  return Object.entries(contents).map(([path, content]) => ({
    path,
    file: new File([new Uint8Array(content)], path.replace(/^.*\//, ''), { type: types[endingOf(path)] ?? '' }),
  }));
}
