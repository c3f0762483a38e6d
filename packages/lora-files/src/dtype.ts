/** The types of numbers that safetensors knows, and their bytes per element. */
const widths = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
} as const;

export type DType = keyof typeof widths;

export const isDType = (name: string): name is DType => Object.hasOwn(widths, name);

export const widthOf = (dtype: DType): number => widths[dtype];
