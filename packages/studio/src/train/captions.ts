/** A caption for a picture that has none: its file's name, read as words. */
export const captionOf = (fileName: string): string => stemOf(fileName).replaceAll(/[_-]+/g, ' ').replaceAll(/\s+/g, ' ').trim();

/** "set/red_apple.final.png" → "red_apple.final": what a picture and its caption have in common. */
export const stemOf = (path: string): string => path.replace(/^.*[/\\]/, '').replace(/\.[^.]+$/, '');

const nameColumns = ['file_name', 'filename', 'file', 'image', 'path'];
const captionColumns = ['caption', 'prompt', 'text'];

/**
 * Reads a list of captions, as docs/training.md describes it: file name and caption, or columns of these names in any order.
 * @returns captions by the stems of their files' names
 */
export async function readCaptions(csv: string): Promise<Map<string, string>> {
  const { default: Papa } = await import('papaparse');
  const { data } = Papa.parse<string[]>(csv.replace(/^\uFEFF/, ''), { skipEmptyLines: 'greedy', delimiter: '' });
  const head = data[0]?.map((cell) => cell.trim().toLowerCase()) ?? [];
  const column = (names: string[]) => head.findIndex((cell) => names.includes(cell));
  const [name, caption] = [column(nameColumns), column(captionColumns)];
  const rows = name >= 0 && caption >= 0 ? data.slice(1).map((row) => [row[name], captionIn(row, caption, head.length)]) : null;
  const plain = () => data.map((row) => [row[0], captionIn(row, 1, 2)]);
  return new Map((rows ?? plain()).flatMap(([file, text]) => (file ? [[stemOf(file.trim()), (text ?? '').trim()]] : [])));
}

/** Commas in the last column need no quotes. */
const captionIn = (row: string[], column: number, columns: number): string | undefined =>
  column === columns - 1 ? row.slice(column).join(',') : row[column];

/** The list that `readCaptions` reads. A mark at its beginning tells spreadsheets that it is UTF-8. */
export async function writeCaptions(pictures: readonly { name: string; caption: string }[]): Promise<string> {
  const { default: Papa } = await import('papaparse');
  const rows = pictures.map(({ name, caption }) => ({ file_name: name, caption }));
  return `\uFEFF${Papa.unparse(rows, { columns: ['file_name', 'caption'] })}\r\n`;
}
