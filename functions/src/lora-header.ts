import { type Bucket, type FileView, keys, type LoraReport } from '@loraloom/jobs';
import { describeHeader, type Header, headerLength, InputError, parseHeader } from '@loraloom/lora-files';

/** Most bytes of a header that are read: of the largest LoRA files they are less than one million. */
const mostHeaderBytes = 8 * 2 ** 20;
/** What is read at first; most headers are shorter. */
const firstBytes = 256 * 2 ** 10;

/** Reads the header of an uploaded safetensors file, and nothing behind it. @throws InputError `bad_safetensors` */
async function readHeader(bucket: Bucket, tenant: string, { id, name, size_bytes }: FileView): Promise<Header> {
  const key = keys.fileContent(tenant, id);
  const read = async (start: number, end: number) => {
    const found = await bucket.getBytes(key, { range: { start, end } });
    if (!found) throw new InputError('file_not_uploaded', `${name}: its bytes have not been uploaded`);
    return found.bytes;
  };
  const first = await read(0, Math.min(firstBytes, size_bytes) - 1);
  const length = headerLength(first.subarray(0, 16), size_bytes, name);
  if (length > mostHeaderBytes)
    throw new InputError('bad_safetensors', `${name}: a header of ${length} bytes; at most ${mostHeaderBytes} wanted`);
  const json = 8 + length <= first.length ? first.subarray(8, 8 + length) : await read(8, 7 + length);
  return parseHeader(json, size_bytes, name);
}

/** What an uploaded file's header tells of the LoRA in it, and why it could not be imported. */
export async function inspectFile(bucket: Bucket, tenant: string, file: FileView): Promise<LoraReport> {
  const about = { object: 'lora.report' as const, file_id: file.id, size_bytes: file.size_bytes, sha256: file.sha256 };
  try {
    const told = describeHeader(await readHeader(bucket, tenant, file));
    const { unet, text, further } = told.coverage;
    const count = ({ adapted, of = null }: { adapted: number; of?: number | null | undefined }) => ({ adapted, of });
    const { unsupported } = told;
    return {
      ...about,
      formats: told.formats,
      base: told.base ?? null,
      claimed_base: told.claimedBase ?? null,
      ranks: told.ranks,
      alpha: told.alpha ?? null,
      trigger_words: told.triggerWords,
      layers: { unet: count(unet), text: count(text), further: count(further) },
      unsupported: unsupported ? { kind: unsupported.kind, words: unsupported.words, tensor: unsupported.key } : null,
      problems: told.problems.map(({ code, message }) => ({ code, message })),
    };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const none = { adapted: 0, of: null };
    return {
      ...about,
      formats: [],
      base: null,
      claimed_base: null,
      ranks: [],
      alpha: null,
      trigger_words: [],
      layers: { unet: none, text: none, further: none },
      unsupported: null,
      problems: [{ code: error.code, message: error.message }],
    };
  }
}
