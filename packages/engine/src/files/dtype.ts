/** How safetensors stores numbers: bytes per element, and conversions for the types that we compute with. */
interface Storage {
  width: number;
  /** Little-endian bytes, aligned to `width`, to float32 rounded to nearest. */
  read?: (bytes: ArrayBuffer) => Float32Array<ArrayBuffer>;
  /** Numbers to bytes, rounded to nearest, ties to even; integers must be exact. */
  write?: (values: ArrayLike<number>) => ArrayBufferView<ArrayBuffer>;
}

/*
 * Typed arrays have the machine's byte order; every machine that Node runs on is little-endian, as the format is.
 * 64-bit integers beyond ±2⁵³ and float64 beyond float32 lose digits when read: keep what must be exact in the metadata.
 */
const storages = {
  F64: { width: 8, read: (bytes) => Float32Array.from(new Float64Array(bytes)), write: (values) => Float64Array.from(values) },
  F32: {
    width: 4,
    read: (bytes) => new Float32Array(bytes),
    write: (values) => (isFloat32(values) ? values : Float32Array.from(values)),
  },
  F16: { width: 2, read: (bytes) => new Float32Array(new Float16Array(bytes)), write: (values) => new Float16Array(values) },
  BF16: { width: 2, read: readBfloat16, write: writeBfloat16 },
  I64: {
    width: 8,
    read: (bytes) => Float32Array.from(new BigInt64Array(bytes), Number),
    write: (values) => BigInt64Array.from(Array.from(values, BigInt)),
  },
  I32: { width: 4, read: (bytes) => Float32Array.from(new Int32Array(bytes)), write: (values) => Int32Array.from(values) },
  I16: { width: 2, read: (bytes) => Float32Array.from(new Int16Array(bytes)), write: (values) => Int16Array.from(values) },
  I8: { width: 1, read: (bytes) => Float32Array.from(new Int8Array(bytes)), write: (values) => Int8Array.from(values) },
  U8: { width: 1, read: (bytes) => Float32Array.from(new Uint8Array(bytes)), write: (values) => Uint8Array.from(values) },
  BOOL: { width: 1, read: (bytes) => Float32Array.from(new Uint8Array(bytes)), write: (values) => Uint8Array.from(values) },
  U64: { width: 8 },
  U32: { width: 4 },
  U16: { width: 2 },
  F8_E4M3: { width: 1 },
  F8_E5M2: { width: 1 },
  F8_E8M0: { width: 1 },
} satisfies Record<string, Storage>;

export type DType = keyof typeof storages;

export const isDType = (name: string): name is DType => Object.hasOwn(storages, name);

export const storageOf = (dtype: DType): Storage => storages[dtype];

const isFloat32 = (values: ArrayLike<number>): values is Float32Array<ArrayBuffer> =>
  values instanceof Float32Array && values.buffer instanceof ArrayBuffer;

/** bfloat16 is the upper half of a float32. */
function readBfloat16(bytes: ArrayBuffer): Float32Array<ArrayBuffer> {
  const halves = new Uint16Array(bytes);
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] ?? 0) << 16;
  return new Float32Array(bits.buffer);
}

function writeBfloat16(values: ArrayLike<number>): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(Float32Array.from(values).buffer);
  return Uint16Array.from(bits, (value) => {
    // Rounding must not carry a NaN whose upper mantissa is empty into infinity.
    if ((value & 0x7fffffff) > 0x7f800000) return (value >>> 16) | 0x40;
    return (value + 0x7fff + ((value >>> 16) & 1)) >>> 16;
  });
}
