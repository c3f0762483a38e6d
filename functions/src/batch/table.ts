import { type BatchRequest, type Bucket, imageRequestSchema, keys } from '@loraloom/jobs';
import Papa from 'papaparse';
import { z } from 'zod';
import { fileGone, type RawLine } from './lines.ts';

const rowsSchema = z.array(z.record(z.string(), z.unknown()));

/** A template filled in with each row of a CSV file, rows numbered from 1. The file may begin with a BOM and separate by `,`, `;` or tabs. */
export async function* tableLines(bucket: Bucket, tenant: string, request: BatchRequest): AsyncGenerator<RawLine> {
  const { template = {}, csv_file_id = '' } = request;
  const found = await bucket.getBytes(keys.fileContent(tenant, csv_file_id));
  if (!found) return yield fileGone(csv_file_id, 'csv_file_id');
  const parsed = Papa.parse(new TextDecoder().decode(found.bytes), { header: true, skipEmptyLines: 'greedy' });
  const columns = parsed.meta.fields ?? [];
  const missing = placeholders(template).filter((name) => !columns.includes(name));
  const broken = new Map(parsed.errors.map(({ row, message }) => [row, message]));
  for (const [i, row] of rowsSchema.parse(parsed.data).entries()) {
    const line = i + 1;
    const wrong = broken.get(i);
    if (missing.length > 0) {
      const message = `no column named ${missing.join(', ')}; the file has ${columns.join(', ')}`;
      yield { line, error: { code: 'unknown_column', message, param: 'template' } };
      // It is the same for every row.
      return;
    }
    if (wrong !== undefined) yield { line, error: { code: 'malformed_csv', message: wrong, param: null } };
    else {
      const request = withNumbers(fill({ custom_id: `${line}`, ...template }, (name) => `${row[name] ?? ''}`));
      yield { line, request };
    }
  }
}

const placeholder = /\{\{\s*([^{}]+?)\s*\}\}/g;

/** The template with every placeholder replaced, in texts at any depth. */
function fill(part: unknown, cell: (column: string) => string): unknown {
  if (typeof part === 'string') return part.replaceAll(placeholder, (_, column: string) => cell(column));
  if (Array.isArray(part)) return part.map((item) => fill(item, cell));
  if (typeof part !== 'object' || part === null) return part;
  return Object.fromEntries(Object.entries(part).map(([name, value]) => [name, fill(value, cell)]));
}

function placeholders(template: object): string[] {
  const found: string[] = [];
  fill(template, (column) => {
    found.push(column);
    return '';
  });
  return found;
}

/** Cells are texts; where a request wants a number, as in `"seed": "{{seed}}"`, a text that is one becomes one. */
function withNumbers(request: unknown): unknown {
  const { error } = imageRequestSchema.safeParse(request);
  for (const issue of error?.issues ?? []) {
    if (issue.code === 'invalid_type' && ['number', 'int'].includes(issue.expected)) makeNumber(request, issue.path);
  }
  return request;
}

function makeNumber(within: unknown, [name, ...rest]: PropertyKey[]): void {
  if (name === undefined || typeof within !== 'object' || within === null) return;
  const value: unknown = Reflect.get(within, name);
  if (rest.length > 0) makeNumber(value, rest);
  else if (typeof value === 'string' && /^\s*-?\d+(\.\d+)?\s*$/.test(value)) Reflect.set(within, name, Number(value));
}
