import { z } from 'zod';
import { type DType, isDType, widthOf } from './dtype.ts';
import { InputError } from './error.ts';
import { repeatedKey } from './json.ts';

/** Where a tensor lies: bytes `begin` to `end` behind the header. */
export interface Entry {
  dtype: DType;
  shape: number[];
  begin: number;
  end: number;
}

/** What a safetensors file (github.com/huggingface/safetensors, "Format") says about itself. */
export interface Header {
  metadata: Record<string, string>;
  tensors: Map<string, Entry>;
  /** Where tensor data begins in the file, in bytes. */
  dataOffset: number;
}

/** The reference implementation's limit, in bytes. */
const maxHeaderBytes = 100_000_000;

const RawHeader = z.record(z.string(), z.unknown());
const Metadata = z.record(z.string(), z.string());
const size = z.int().nonnegative();
const RawEntry = z.object({ dtype: z.string(), shape: z.array(size), data_offsets: z.tuple([size, size]) });

/** What people upload instead, by the first bytes in hexadecimal. */
const mistaken: [RegExp, string][] = [
  [/^800[2-5]/, 'a pickle (.bin, .pt, .ckpt)'],
  [/^504b0304/, 'a zip archive, as a pickle (.bin, .pt, .ckpt) is'],
  [/^47475546/, 'a GGUF file'],
  [/^76657273696f6e20/, 'a Git LFS pointer'],
  [/^3c/, 'a web page'],
];

/**
 * The length of a file's header in bytes, which lies behind the 8 bytes that tell it.
 * @param start the first 16 bytes of the file, or all of a shorter one
 * @param source names the file in errors
 * @throws InputError `bad_safetensors`
 */
export function headerLength(start: Uint8Array, fileBytes: number, source: string): number {
  // A header's length can look like any of them, but what follows it cannot.
  const mistake = start[8] === 0x7b ? undefined : mistaken.find(([magic]) => magic.test(hex(start)));
  if (mistake) throw bad(source, `is ${mistake[1]}; a safetensors file wanted`);
  if (start.length < 8) throw bad(source, `has ${fileBytes} bytes; a safetensors file wanted`);
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (length > maxHeaderBytes)
    throw bad(
      source,
      `begins with a header of ${length} bytes, of which at most ${maxHeaderBytes} are allowed; a safetensors file wanted`,
    );
  if (8n + length > fileBytes) throw bad(source, `is truncated: a header of ${length} bytes does not fit into ${fileBytes}`);
  return Number(length);
}

/**
 * Reads a header and checks all that it says against the size of the file.
 * @throws InputError `bad_safetensors`
 */
export function parseHeader(json: Uint8Array, fileBytes: number, source: string): Header {
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(json);
    parsed = JSON.parse(text);
  } catch (cause) {
    throw bad(source, 'its header is not JSON in UTF-8; a safetensors file wanted', cause);
  }
  const repeated = repeatedKey(text);
  if (repeated !== undefined) throw bad(source, `its header names ${JSON.stringify(repeated)} twice`);
  const header = RawHeader.safeParse(parsed);
  if (!header.success) throw bad(source, 'its header is not a JSON object');
  const { __metadata__: rawMetadata, ...entries } = header.data;
  const metadata = Metadata.safeParse(rawMetadata ?? {});
  if (!metadata.success) throw bad(source, '__metadata__ must map strings to strings');
  const tensors = new Map(Object.entries(entries).map(([name, entry]) => [name, parseEntry(name, entry, source)]));
  const dataOffset = 8 + json.length;
  checkCoverage(tensors, fileBytes - dataOffset, source);
  return { metadata: metadata.data, tensors, dataOffset };
}

function parseEntry(name: string, raw: unknown, source: string): Entry {
  const entry = RawEntry.safeParse(raw);
  if (!entry.success) throw bad(source, `${name}: dtype, shape and data_offsets wanted (${z.prettifyError(entry.error)})`);
  const { dtype, shape, data_offsets } = entry.data;
  const [begin, end] = data_offsets;
  if (!isDType(dtype)) throw bad(source, `${name}: unknown dtype ${dtype}`);
  const wanted = shape.reduce((product, n) => product * n, widthOf(dtype));
  if (end - begin !== wanted)
    throw bad(source, `${name}: ${dtype} [${shape}] takes ${wanted} bytes, but data_offsets give it ${end - begin}`);
  return { dtype, shape, begin, end };
}

/** Tensors must lie one behind the other, from the first byte of data to the last. */
function checkCoverage(tensors: ReadonlyMap<string, Entry>, dataBytes: number, source: string): void {
  const inOrder = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const [name, { begin, end }] of inOrder) {
    if (begin < at) throw bad(source, `${name} overlaps the tensor before it: it begins at ${begin}, the other ends at ${at}`);
    if (begin > at) throw bad(source, `bytes ${at} to ${begin} belong to no tensor`);
    if (end > dataBytes) throw bad(source, `is truncated: ${name} ends at byte ${end} of ${dataBytes}`);
    at = end;
  }
  if (at !== dataBytes) throw bad(source, `${dataBytes - at} bytes behind the last tensor belong to no tensor`);
}

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

const bad = (source: string, problem: string, cause?: unknown) =>
  new InputError('bad_safetensors', `${source}: ${problem}`, { cause });
