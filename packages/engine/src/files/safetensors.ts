import { type FileHandle, open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type DType, type Entry, type Header, headerLength, parseHeader, widthOf } from '@loraloom/lora-files';
import { InputError } from '../error.ts';
import { storageOf } from './dtype.ts';
import { replaceFile } from './replace.ts';

/** A tensor in memory, converted to float32, row-major. */
export interface StoredTensor {
  dtype: DType;
  shape: number[];
  data: Float32Array<ArrayBuffer>;
  /** Whether none of the numbers is infinite or NaN. */
  finite: boolean;
}

/** A tensor to be stored as `dtype`, row-major. */
export interface TensorToStore {
  dtype: DType;
  shape: readonly number[];
  data: ArrayLike<number>;
}

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
 * @param seen is shown, if all are read, all bytes of the file in their order, piece by piece
 * @param check may throw at what the header says, before anything else is read
 * @throws InputError `bad_safetensors`, `unsupported_dtype`
 */
export async function readTensors(
  path: string,
  wanted: (name: string) => boolean = () => true,
  seen: (bytes: Uint8Array) => void = () => undefined,
  check: (header: Header) => void = () => undefined,
): Promise<{ metadata: Record<string, string>; tensors: Map<string, StoredTensor> }> {
  const file = await open(path);
  const source = nameOf(path);
  try {
    const header = await headerOf(file, source, seen);
    check(header);
    const { metadata, tensors, dataOffset } = header;
    const read = new Map<string, StoredTensor>();
    const scratch = new Uint8Array(pieceBytes);
    for (const piece of piecesOf([...tensors].filter(([name]) => wanted(name)))) {
      const begin = piece[0]?.[1].begin ?? 0;
      const length = (piece.at(-1)?.[1].end ?? 0) - begin;
      const bytes = length <= pieceBytes ? scratch.subarray(0, length) : new Uint8Array(length);
      await readFully(file, bytes, dataOffset + begin, source);
      seen(bytes);
      for (const [name, entry] of piece)
        read.set(name, stored(name, entry, bytes.subarray(entry.begin - begin, entry.end - begin), source));
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
    const own = Uint8Array.from(bytes.subarray(dataOffset + entry.begin, dataOffset + entry.end));
    return [name, stored(name, entry, own, source)];
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

async function headerOf(file: FileHandle, source: string, seen?: (bytes: Uint8Array) => void): Promise<Header> {
  const { size: fileBytes } = await file.stat();
  const start = new Uint8Array(Math.min(16, fileBytes));
  await readFully(file, start, 0, source);
  const json = new Uint8Array(headerLength(start, fileBytes, source));
  await readFully(file, json, 8, source);
  seen?.(start.subarray(0, 8));
  seen?.(json);
  return parseHeader(json, fileBytes, source);
}

async function readFully(file: FileHandle, into: Uint8Array, position: number, source: string): Promise<void> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await file.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) throw new InputError('bad_safetensors', `${source}: became shorter while it was read`);
    done += bytesRead;
  }
}

/** Most bytes that are read at once, unless one tensor has more: what a processor's cache holds on to. */
const pieceBytes = 2 ** 20;

/** Tensors that lie one behind the other, to be read at once: a LoRA file has hundreds of small ones. */
function piecesOf(entries: [string, Entry][]): [string, Entry][][] {
  const pieces: [string, Entry][][] = [];
  for (const next of entries.toSorted(([, a], [, b]) => a.begin - b.begin)) {
    const piece = pieces.at(-1);
    const [first, last] = [piece?.[0]?.[1], piece?.at(-1)?.[1]];
    if (piece && first && last?.end === next[1].begin && next[1].end - first.begin <= pieceBytes) piece.push(next);
    else pieces.push([next]);
  }
  return pieces;
}

function stored(name: string, { dtype, shape }: Entry, bytes: Uint8Array<ArrayBuffer>, source: string): StoredTensor {
  const { read } = storageOf(dtype);
  if (!read) throw new InputError('unsupported_dtype', `${source}: ${name} is ${dtype}; F32, F16 or BF16 wanted`);
  return { dtype, shape, ...read(bytes) };
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
  const width = ({ dtype }: TensorToStore) => widthOf(dtype);
  const ordered = [...tensors].sort(([nameA, a], [nameB, b]) => width(b) - width(a) || (nameA < nameB ? -1 : 1));
  const sorted = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  const entries: [string, unknown][] = sorted.length > 0 ? [['__metadata__', Object.fromEntries(sorted)]] : [];
  let at = 0;
  for (const [name, { dtype, shape, data }] of ordered) {
    const count = shape.reduce((product, n) => product * n, 1);
    if (data.length !== count) throw new Error(`${name}: [${shape}] wants ${count} numbers, got ${data.length}`);
    const end = at + count * widthOf(dtype);
    entries.push([name, { dtype, shape, data_offsets: [at, end] }]);
    at = end;
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  header.writeBigUInt64LE(BigInt(header.length - 8));
  json.copy(header, 8);
  return { header, ordered, sizeBytes: header.length + at };
}
