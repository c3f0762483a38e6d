import { S3Error } from './error.ts';

/** A form whose file has not been read yet. Field names in lower case. */
export type Form = { fields: Map<string, string>; filename: string; file: AsyncGenerator<Uint8Array> };

/** S3's limit for all that comes before the file. */
const largestFields = 20 * 1024;

/**
 * Reads a multipart/form-data body as far as its part `file`, whose bytes then come as they arrive (RFC 7578). What
 * follows the file is not read, as S3 says of its forms.
 * @throws S3Error if it is no such form
 */
export async function readForm(contentType: string | undefined, body: AsyncIterable<Uint8Array>): Promise<Form> {
  const [, quoted, bare] = /^multipart\/form-data;.*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType ?? '') ?? [];
  const boundary = quoted ?? bare;
  if (boundary === undefined) throw malformed('want multipart/form-data with a boundary');
  const mark = Buffer.from(`\r\n--${boundary}`);
  const source = body[Symbol.asyncIterator]();
  // The first boundary has no line break before it.
  let held = Buffer.from('\r\n');

  async function more(): Promise<void> {
    const { done, value } = await source.next();
    if (done) throw malformed('it ends before its last boundary');
    held = Buffer.concat([held, value]);
  }

  /** What comes before `end`, which is passed over. */
  async function until(end: Buffer): Promise<string> {
    for (;;) {
      const at = held.indexOf(end);
      if (at > largestFields || (at < 0 && held.length > largestFields + 64 * 1024))
        throw malformed(`the fields have more than ${largestFields} bytes`);
      if (at >= 0) {
        const text = held.toString('utf8', 0, at);
        held = held.subarray(at + end.length);
        return text;
      }
      await more();
    }
  }

  async function* file() {
    for (;;) {
      const at = held.indexOf(mark);
      const sure = at < 0 ? Math.max(held.length - mark.length + 1, 0) : at;
      if (sure > 0) yield held.subarray(0, sure);
      held = held.subarray(sure);
      if (at >= 0) break;
      await more();
    }
    while (!(await source.next()).done);
  }

  const fields = new Map<string, string>();
  let size = 0;
  await until(mark);
  for (;;) {
    const head = await until(Buffer.from('\r\n\r\n'));
    const disposition = /^content-disposition:(.*)$/im.exec(head)?.[1] ?? '';
    const name = /[;\s]name="([^"]*)"/i.exec(disposition)?.[1]?.toLowerCase();
    if (head.startsWith('--') || name === undefined) throw malformed('it has no part named file');
    // Old browsers send the whole path.
    if (name === 'file')
      return { fields, filename: /filename="([^"]*)"/i.exec(disposition)?.[1]?.split(/[/\\]/).at(-1) ?? '', file: file() };
    const value = await until(mark);
    size += head.length + value.length;
    if (size > largestFields) throw malformed(`the fields have more than ${largestFields} bytes`);
    fields.set(name, value);
  }
}

function malformed(what: string): S3Error {
  return new S3Error(
    400,
    'MalformedPOSTRequest',
    `The body of your POST request is not well-formed multipart/form-data: ${what}`,
  );
}
