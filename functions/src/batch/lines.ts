import { type Bucket, imageRequestSchema, jobErrorSchema, keys, type LineError, workSchema } from '@loraloom/jobs';
import { z } from 'zod';

/** Tells a line apart in the outputs, and names its pictures. */
export const customIdSchema = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[^\p{Cc}]*$/u, 'want no control characters');

/** A line that is right, as the batch keeps it; `refused` if moderation does not let it through, so that it is not begun. */
export const lineSchema = z.object({
  line: z.int().positive(),
  custom_id: customIdSchema,
  request: imageRequestSchema,
  work: workSchema,
  refused: jobErrorSchema.optional(),
});
export type Line = z.output<typeof lineSchema>;

/** A line as it was sent: what was read there, its custom_id among it, or why nothing could be. */
export type RawLine = { line: number } & ({ request: unknown } | { error: Omit<LineError, 'line'> });

/** Longest line of JSONL: a prompt of 2,000 characters, each escaped, and all else fit several times. */
const maxLineBytes = 64 * 1024;

/** The lines of a JSONL file, without the empty ones. */
export async function* jsonLines(bucket: Bucket, tenant: string, fileId: string): AsyncGenerator<RawLine> {
  const found = await bucket.get(keys.fileContent(tenant, fileId));
  if (!found) return yield fileGone(fileId, 'input_file_id');
  for await (const { line, text } of textLines(found.body)) {
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

/** What is said in place of the lines of a file that was there when the batch was accepted. */
export function fileGone(id: string, param: string): RawLine {
  return { line: 1, error: { code: 'unknown_file', message: `${id} was deleted before it was read`, param } };
}

/** The lines of a text, numbered from 1; undefined for one that is too long. Holds one line at a time. */
async function* textLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<{ line: number; text: string | undefined }> {
  const decoder = new TextDecoder();
  let line = 1;
  let rest = '';
  let tooLong = false;
  const take = (text: string) => {
    const taken = { line: line++, text: tooLong || text.length > maxLineBytes ? undefined : text };
    tooLong = false;
    return taken;
  };
  for await (const bytes of body) {
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
