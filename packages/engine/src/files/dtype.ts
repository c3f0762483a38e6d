import type { DType } from '@loraloom/lora-files';

/** How safetensors stores numbers: conversions for the types that we compute with. */
interface Storage {
  /** Little-endian bytes to float32 rounded to nearest, in memory of their own; and whether all of them are finite. */
  read?: (bytes: Uint8Array<ArrayBuffer>) => { data: Float32Array<ArrayBuffer>; finite: boolean };
  /** Numbers to bytes, rounded to nearest, ties to even; integers must be exact. */
  write?: (values: ArrayLike<number>) => ArrayBufferView<ArrayBuffer>;
}

const checked = (data: Float32Array<ArrayBuffer>) => ({ data, finite: data.every(Number.isFinite) });

/*
 * Typed arrays have the machine's byte order; every machine that Node runs on is little-endian, as the format is.
 * 64-bit integers beyond ±2⁵³ and float64 beyond float32 lose digits when read: keep what must be exact in the metadata.
 */
const storages = {
  F64: {
    read: (bytes) => checked(Float32Array.from(elements(Float64Array, bytes))),
    write: (values) => Float64Array.from(values),
  },
  F32: {
    read: (bytes) => copied(elements(Float32Array, bytes)),
    write: (values) => (isFloat32(values) ? values : Float32Array.from(values)),
  },
  F16: {
    read: (bytes) => looked(float16, elements(Uint16Array, bytes)),
    write: (values) => new Float16Array(values),
  },
  BF16: { read: readBfloat16, write: writeBfloat16 },
  I64: {
    read: (bytes) => checked(Float32Array.from(elements(BigInt64Array, bytes), Number)),
    write: (values) => BigInt64Array.from(Array.from(values, BigInt)),
  },
  I32: {
    read: (bytes) => checked(Float32Array.from(elements(Int32Array, bytes))),
    write: (values) => Int32Array.from(values),
  },
  I16: {
    read: (bytes) => checked(Float32Array.from(elements(Int16Array, bytes))),
    write: (values) => Int16Array.from(values),
  },
  I8: {
    read: (bytes) => checked(Float32Array.from(elements(Int8Array, bytes))),
    write: (values) => Int8Array.from(values),
  },
  U8: { read: (bytes) => checked(Float32Array.from(bytes)), write: (values) => Uint8Array.from(values) },
  BOOL: { read: (bytes) => checked(Float32Array.from(bytes)), write: (values) => Uint8Array.from(values) },
  U64: {},
  U32: {},
  U16: {},
  F8_E4M3: {},
  F8_E5M2: {},
  F8_E8M0: {},
} satisfies Record<DType, Storage>;

export const storageOf = (dtype: DType): Storage => storages[dtype];

const isFloat32 = (values: ArrayLike<number>): values is Float32Array<ArrayBuffer> =>
  values instanceof Float32Array && values.buffer instanceof ArrayBuffer;

/** Bytes as numbers, in place if they are aligned. */
function elements<T>(
  kind: { new (buffer: ArrayBuffer, byteOffset: number, length: number): T; BYTES_PER_ELEMENT: number },
  bytes: Uint8Array<ArrayBuffer>,
): T {
  const { buffer, byteOffset } = bytes.byteOffset % kind.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  return new kind(buffer, byteOffset, bytes.length / kind.BYTES_PER_ELEMENT);
}

/** Every float16 as float32: looking a number up is faster than converting it. */
const float16 = new Float32Array(new Float16Array(Uint16Array.from({ length: 2 ** 16 }, (_, i) => i).buffer));

/*
 * Switching to a LoRA for the first time is mostly these loops, hence two numbers at a time, and the search for NaN and
 * infinity on the way: times 0 they are NaN, and so is the sum then.
 */
function looked(table: Float32Array, halves: Uint16Array) {
  const data = new Float32Array(halves.length);
  let even = 0;
  let odd = 0;
  for (let i = 0; i < halves.length; i += 2) {
    const a = table[halves[i] ?? 0] ?? 0;
    // Of an odd number of numbers the one behind the last is 0, and writing it does nothing.
    const b = table[halves[i + 1] ?? 0] ?? 0;
    data[i] = a;
    data[i + 1] = b;
    even += a * 0;
    odd += b * 0;
  }
  return { data, finite: even + odd === 0 };
}

function copied(values: Float32Array) {
  const data = new Float32Array(values);
  let even = 0;
  let odd = 0;
  for (let i = 0; i < data.length; i += 2) {
    even += (data[i] ?? 0) * 0;
    odd += (data[i + 1] ?? 0) * 0;
  }
  return { data, finite: even + odd === 0 };
}

/** bfloat16 is the upper half of a float32. */
function readBfloat16(bytes: Uint8Array<ArrayBuffer>) {
  const halves = elements(Uint16Array, bytes);
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] ?? 0) << 16;
  return checked(new Float32Array(bits.buffer));
}

function writeBfloat16(values: ArrayLike<number>): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(Float32Array.from(values).buffer);
  return Uint16Array.from(bits, (value) => {
    // Rounding must not carry a NaN whose upper mantissa is empty into infinity.
    if ((value & 0x7fffffff) > 0x7f800000) return (value >>> 16) | 0x40;
    return (value + 0x7fff + ((value >>> 16) & 1)) >>> 16;
  });
}
