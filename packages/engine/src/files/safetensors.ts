import { type FileHandle, open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { InputError } from '../error.ts';
import { type DType, isDType, storageOf } from './dtype.ts';
import { repeatedKey } from './json.ts';
import { replaceFile } from './replace.ts';

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

/** A tensor in memory, converted to float32, row-major. */
export interface StoredTensor {
  dtype: DType;
  shape: number[];
  data: Float32Array<ArrayBuffer>;
}

/** A tensor to be stored as `dtype`, row-major. */
export interface TensorToStore {
  dtype: DType;
  shape: readonly number[];
  data: ArrayLike<number>;
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
 * Reads the header of a safetensors file and checks all that it says; no tensor data is read.
 * @throws InputError `bad_safetensors`
 */
export async function readHeader(path: string): Promise<Header> {
  const file = await open(path);
  try {
    return await headerOf(file, nameOf(path));
  } finally {
    await file.close();
  }
}

/**
 * Reads tensors, all or those whose names `wanted` accepts, converted to float32.
 * @throws InputError `bad_safetensors`, `unsupported_dtype`
 */
export async function readTensors(
  path: string,
  wanted: (name: string) => boolean = () => true,
): Promise<{ metadata: Record<string, string>; tensors: Map<string, StoredTensor> }> {
  const file = await open(path);
  const source = nameOf(path);
  try {
    const { metadata, tensors, dataOffset } = await headerOf(file, source);
    const read = new Map<string, StoredTensor>();
    for (const [name, entry] of tensors) {
      if (!wanted(name)) continue;
      const bytes = new Uint8Array(entry.end - entry.begin);
      await readFully(file, bytes, dataOffset + entry.begin, source);
      read.set(name, stored(name, entry, bytes.buffer, source));
    }
    return { metadata, tensors: read };
  } finally {
    await file.close();
  }
}

/**
 * The inverse of `encodeSafetensors`.
 * @param source names the bytes in errors
 * @throws InputError `bad_safetensors`, `unsupported_dtype`
 */
export function decodeSafetensors(
  bytes: Uint8Array,
  source = 'safetensors',
): { metadata: Record<string, string>; tensors: Map<string, StoredTensor> } {
  const length = headerLength(bytes.subarray(0, 16), bytes.length, source);
  const { metadata, tensors, dataOffset } = parseHeader(bytes.subarray(8, 8 + length), bytes.length, source);
  const read = [...tensors].map(([name, entry]): [string, StoredTensor] => {
    const copy = Uint8Array.from(bytes.subarray(dataOffset + entry.begin, dataOffset + entry.end));
    return [name, stored(name, entry, copy.buffer, source)];
  });
  return { metadata, tensors: new Map(read) };
}

/** A whole safetensors file in memory: the same tensors and metadata give the same bytes, in whatever order they come. */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, TensorToStore>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const { header, ordered, sizeBytes } = layOut(tensors, metadata);
  const bytes = new Uint8Array(sizeBytes);
  let at = 0;
  for (const chunk of chunks(header, ordered)) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** Writes a safetensors file in one piece: whoever opens `path` sees the old file or the whole new one, also after a power cut. */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorToStore>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { header, ordered } = layOut(tensors, metadata);
  await replaceFile(path, chunks(header, ordered));
}

/** A file in errors: with its folder, which tells a pipeline's networks apart, and without where this machine keeps it. */
const nameOf = (path: string) => join(basename(dirname(path)), basename(path));

const bad = (source: string, problem: string, cause?: unknown) =>
  new InputError('bad_safetensors', `${source}: ${problem}`, { cause });

async function headerOf(file: FileHandle, source: string): Promise<Header> {
  const { size: fileBytes } = await file.stat();
  const start = new Uint8Array(Math.min(16, fileBytes));
  await readFully(file, start, 0, source);
  const json = new Uint8Array(headerLength(start, fileBytes, source));
  await readFully(file, json, 8, source);
  return parseHeader(json, fileBytes, source);
}

async function readFully(file: FileHandle, into: Uint8Array, position: number, source: string): Promise<void> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await file.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) throw bad(source, 'became shorter while it was read');
    done += bytesRead;
  }
}

/** @param start the first bytes of the file, up to 16 */
function headerLength(start: Uint8Array, fileBytes: number, source: string): number {
  // A header's length can look like any of them, but what follows it cannot.
  const mistake = start[8] === 0x7b ? undefined : mistaken.find(([magic]) => magic.test(Buffer.from(start).toString('hex')));
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

function parseHeader(json: Uint8Array, fileBytes: number, source: string): Header {
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
  const wanted = shape.reduce((product, n) => product * n, storageOf(dtype).width);
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

function stored(name: string, { dtype, shape }: Entry, bytes: ArrayBuffer, source: string): StoredTensor {
  const { read } = storageOf(dtype);
  if (!read) throw new InputError('unsupported_dtype', `${source}: ${name} is ${dtype}; F32, F16 or BF16 wanted`);
  return { dtype, shape, data: read(bytes) };
}

function bytesOf({ dtype, data }: TensorToStore): Uint8Array<ArrayBuffer> {
  const { write } = storageOf(dtype);
  if (!write) throw new Error(`writing ${dtype} is not supported`);
  const { buffer, byteOffset, byteLength } = write(data);
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function* chunks(header: Uint8Array, ordered: readonly [string, TensorToStore][]): Generator<Uint8Array> {
  yield header;
  for (const [, tensor] of ordered) yield bytesOf(tensor);
}

/** The header's bytes, and the tensors in the order of the file: wide types first, so that every tensor is aligned, then by name. */
function layOut(tensors: ReadonlyMap<string, TensorToStore>, metadata: Readonly<Record<string, string>>) {
  const width = ({ dtype }: TensorToStore) => storageOf(dtype).width;
  const ordered = [...tensors].sort(([nameA, a], [nameB, b]) => width(b) - width(a) || (nameA < nameB ? -1 : 1));
  const sorted = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  const entries: [string, unknown][] = sorted.length > 0 ? [['__metadata__', Object.fromEntries(sorted)]] : [];
  let at = 0;
  for (const [name, { dtype, shape, data }] of ordered) {
    const count = shape.reduce((product, n) => product * n, 1);
    if (data.length !== count) throw new Error(`${name}: [${shape}] wants ${count} numbers, got ${data.length}`);
    const end = at + count * storageOf(dtype).width;
    entries.push([name, { dtype, shape, data_offsets: [at, end] }]);
    at = end;
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  header.writeBigUInt64LE(BigInt(header.length - 8));
  json.copy(header, 8);
  return { header, ordered, sizeBytes: header.length + at };
}
