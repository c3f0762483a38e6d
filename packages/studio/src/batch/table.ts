import * as z from 'zod/mini';

/** Rows of a batch, and bytes of a file of them, that the API takes at most. */
const mostRows = 50_000;
const mostBytes = 20 * 2 ** 20;
/** Rows of which a preview is shown. */
const sampled = 3;
/** Characters of what names a row's pictures. */
const longestId = 64;

const rowSchema = z.record(z.string(), z.string());

export const tableSchema = z.object({
  name: z.string(),
  /** The uploaded file. */
  fileId: z.string(),
  columns: z.array(z.string()),
  /** Those in which every row has a value of its own that can name its pictures. */
  naming: z.array(z.string()),
  rows: z.int().check(z.positive()),
  /** The first rows. */
  sample: z.array(rowSchema),
});

/** What the page knows of a CSV file that was uploaded. */
export type Table = z.infer<typeof tableSchema>;
export type Row = z.infer<typeof rowSchema>;

/** A file that cannot be a batch; `code` is one that `explain` knows. */
export class TableError extends Error {
  readonly code: 'not_csv' | 'no_lines' | 'too_many_lines' | 'too_large';
  readonly param = null;
  constructor(code: TableError['code']) {
    super('');
    this.code = code;
  }
}

/**
 * Columns and first rows of a CSV file, read as the API reads it: UTF-8, the first row names the columns, separated by `,`, `;` or tabs.
 * @throws TableError
 */
export async function readTable(bytes: Uint8Array): Promise<Omit<Table, 'name' | 'fileId'>> {
  if (bytes.length > mostBytes) throw new TableError('too_large');
  const text = textOf(bytes);
  // Its own chunk: only who has a file needs it.
  const { default: Papa } = await import('papaparse');
  const { data, meta } = Papa.parse<Record<string, unknown>>(text, { header: true, skipEmptyLines: 'greedy' });
  // What stands in a placeholder has no braces in it.
  const columns = (meta.fields ?? []).filter((name) => name.trim() !== '' && name.trim() === name && !/[{}]/.test(name));
  if (data.length === 0 || columns.length === 0) throw new TableError('no_lines');
  if (data.length > mostRows) throw new TableError('too_many_lines');
  const cell = (row: Record<string, unknown>, column: string) => `${row[column] ?? ''}`;
  return {
    columns,
    naming: columns.filter((column) => areNames(data.map((row) => cell(row, column)))),
    rows: data.length,
    sample: data.slice(0, sampled).map((row) => Object.fromEntries(columns.map((column) => [column, cell(row, column)]))),
  };
}

function textOf(bytes: Uint8Array): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    // A spreadsheet's own format is a zip file; it may decode, but not without these.
    if (!text.includes('\0')) return text;
  } catch {}
  throw new TableError('not_csv');
}

const areNames = (cells: readonly string[]) =>
  new Set(cells).size === cells.length && cells.every((cell) => cell !== '' && cell.length <= longestId && !/\p{Cc}/u.test(cell));

const placeholder = /\{\{\s*([^{}]+?)\s*\}\}/g;

/** A text with the row's cells in place of its `{{column}}`s, as the API fills it in. */
export const filled = (text: string, row: Row): string => text.replaceAll(placeholder, (_, column: string) => row[column] ?? '');

/** The columns that a text names and the table does not have, each once. */
export function missingColumns(text: string, columns: readonly string[]): string[] {
  const named = Array.from(text.matchAll(placeholder), ([, column = '']) => column);
  return [...new Set(named)].filter((column) => !columns.includes(column));
}
