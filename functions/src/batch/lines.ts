import { type Bucket, imageRequestSchema, type LineError, workSchema } from '@loraloom/jobs';
import { z } from 'zod';

/** Tells a line apart in the outputs, and names its pictures. */
export const customIdSchema = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[^\p{Cc}]*$/u, 'want no control characters');

/** A line that is right, as the batch keeps it. */
export const lineSchema = z.object({
  line: z.int().positive(),
  custom_id: customIdSchema,
  request: imageRequestSchema,
  work: workSchema,
});
export type Line = z.output<typeof lineSchema>;

/** A line as it was sent: what was read there, its custom_id among it, or why nothing could be. */
export type RawLine = { line: number } & ({ request: unknown } | { error: Omit<LineError, 'line'> });

/** Longest line of JSONL: a prompt of 2,000 characters, each escaped, and all else fit several times. */
const maxLineBytes = 64 * 1024;

/** The lines of a JSONL file, without the empty ones. @throws Error if there is no such object */
export async function* jsonLines(bucket: Bucket, key: string): AsyncGenerator<RawLine> {
  for await (const { line, text } of textLines(bucket, key)) {
    if (text === undefined) {
      yield { line, error: { code: 'line_too_long', message: `want at most ${maxLineBytes} bytes a line`, param: null } };
    } else if (text.trim() !== '') {
      try {
        yield { line, request: JSON.parse(text) };
      } catch {
        yield { line, error: { code: 'malformed_json', message: 'want one JSON object a line', param: null } };
      }
    }
  }
}

/** The lines of a text in the bucket, numbered from 1; undefined for one that is too long. Holds one line at a time. */
async function* textLines(bucket: Bucket, key: string): AsyncGenerator<{ line: number; text: string | undefined }> {
  const found = await bucket.get(key);
  if (!found) throw new Error(`no object at ${key}`);
  const decoder = new TextDecoder();
  let line = 1;
  let rest = '';
  let tooLong = false;
  const take = (text: string) => {
    const taken = { line: line++, text: tooLong || text.length > maxLineBytes ? undefined : text };
    tooLong = false;
    return taken;
  };
  for await (const bytes of found.body) {
    const parts = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = parts.pop() ?? '';
    for (const text of parts) yield take(text);
    if (rest.length > maxLineBytes) {
      tooLong = true;
      rest = '';
    }
  }
  rest += decoder.decode();
  if (rest !== '' || tooLong) yield take(rest);
}
