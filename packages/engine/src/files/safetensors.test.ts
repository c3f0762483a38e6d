import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InputError } from '../error.ts';
import { randomFrom } from '../random.ts';
import {
  decodeSafetensors,
  encodeSafetensors,
  readHeader,
  readTensors,
  type TensorToStore,
  writeSafetensors,
} from './safetensors.ts';

const golden = fileURLToPath(new URL('../../fixtures/sd-tiny/golden.safetensors', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'safetensors-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A file of this header text, and as many zero bytes of data. */
function file(header: string | Uint8Array, dataBytes: number, statedLength?: bigint): Uint8Array {
  const json = Buffer.from(header);
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(statedLength ?? BigInt(json.length));
  return Buffer.concat([start, json, Buffer.alloc(dataBytes)]);
}

const entry = (begin: number, end: number, shape: unknown = [(end - begin) / 4], dtype: unknown = 'F32') => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});
const header = (value: unknown) => JSON.stringify(value);

describe('reading', () => {
  it('gives the numbers that PyTorch wrote', async () => {
    const { tensors } = await readTensors(golden, (name) => name.startsWith('text.') || name === 'unet.timestep');
    expect([...tensors.keys()].sort()).toEqual(['text.input_ids', 'text.last_hidden_state', 'unet.timestep']);
    expect([...(tensors.get('unet.timestep')?.data ?? [])]).toEqual([1, 500, 981]);
    const ids = tensors.get('text.input_ids');
    expect(ids).toMatchObject({ dtype: 'I32', shape: [4, 77] });
    expect([ids?.data[0], ids?.data[76]]).toEqual([690, 691]);
  });

  it('says where each tensor lies, and its metadata', async () => {
    const path = join(folder, 'header.safetensors');
    await writeFile(path, file(header({ __metadata__: { format: 'pt' }, b: entry(4, 12, [2, 1]), a: entry(0, 4, []) }), 12));
    const { metadata, tensors, dataOffset } = await readHeader(path);
    expect(metadata).toEqual({ format: 'pt' });
    expect(tensors).toEqual(
      new Map([
        ['b', { dtype: 'F32', shape: [2, 1], begin: 4, end: 12 }],
        ['a', { dtype: 'F32', shape: [], begin: 0, end: 4 }],
      ]),
    );
    expect(dataOffset).toBe((await readFile(path)).length - 12);
  });

  it('takes what is unusual but right: no tensors, empty tensors, a padded header, a header as long as a pickle begins', () => {
    expect(decodeSafetensors(file('{}', 0)).tensors.size).toBe(0);
    expect(decodeSafetensors(file('{}      ', 0)).tensors.size).toBe(0);
    const empty = decodeSafetensors(file(header({ a: entry(0, 0, [0, 3]), b: entry(0, 4), c: entry(4, 4, [0]) }), 4)).tensors;
    expect(empty.get('a')?.data.length).toBe(0);
    expect(decodeSafetensors(file(`{}${' '.repeat(0x280 - 2)}`, 0)).tensors.size).toBe(0);
    expect(decodeSafetensors(file(`{}${' '.repeat(0x3c - 2)}`, 0)).tensors.size).toBe(0);
  });
});

describe('numbers', () => {
  /** IEEE 754 half precision from its definition: sign, five bits of exponent, ten of mantissa. */
  function halfValue(bits: number): number {
    const [sign, exponent, mantissa] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
    if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25));
  }

  it('reads every float16 exactly and writes it back to the bit', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((bits) => !Number.isNaN(halfValue(bits)));
    const bytes = Buffer.concat([
      file(header({ a: { dtype: 'F16', shape: [all.length], data_offsets: [0, all.length * 2] } }), 0),
      Buffer.from(all.buffer),
    ]);
    const data = decodeSafetensors(bytes).tensors.get('a')?.data ?? new Float32Array();
    expect(data.every((value, i) => Object.is(value, halfValue(all[i] ?? 0)))).toBe(true);
    const written = encodeSafetensors(new Map([['a', { dtype: 'F16', shape: [all.length], data }]]));
    expect(Buffer.compare(written.subarray(-all.length * 2), Buffer.from(all.buffer))).toBe(0);
  });

  const encodeOne = (dtype: 'F16' | 'BF16', value: number) => {
    const bytes = encodeSafetensors(new Map([['a', { dtype, shape: [], data: Float32Array.of(value) }]]));
    return Buffer.from(bytes).readUInt16LE(bytes.length - 2);
  };

  it.each([
    ['a tie to even, down', 1 + 2 ** -11, 0x3c00],
    ['a tie to even, up', 1 + 3 * 2 ** -11, 0x3c02],
    ['just above a tie', 1 + 2 ** -11 + 2 ** -23, 0x3c01],
    ['just below a tie', 1 + 2 ** -11 - 2 ** -24, 0x3c00],
    ['the largest', 65519.996, 0x7bff],
    ['beyond the largest', 65520, 0x7c00],
    ['half of the least subnormal', 2 ** -25, 0x0000],
    ['more than half of the least subnormal', 2 ** -25 + 2 ** -40, 0x0001],
    ['negative zero', -0, 0x8000],
  ])('rounds to float16: %s', (_, value, bits) => expect(encodeOne('F16', value)).toBe(bits));

  it.each([
    ['exact', 1, 0x3f80],
    ['a tie to even, down', 1 + 2 ** -8, 0x3f80],
    ['a tie to even, up', 1 + 3 * 2 ** -8, 0x3f82],
    ['just above a tie', 1 + 2 ** -8 + 2 ** -23, 0x3f81],
    ['a carry into the exponent', 2 - 2 ** -9, 0x4000],
    ['infinity', Number.NEGATIVE_INFINITY, 0xff80],
    ['not a number', Number.NaN, 0x7fc0],
  ])('rounds to bfloat16: %s', (_, value, bits) => expect(encodeOne('BF16', value)).toBe(bits));

  it.each(['F64', 'F32', 'F16', 'BF16', 'I64', 'I32', 'I16', 'I8'] as const)('keeps small whole numbers in %s', (dtype) => {
    const data = Float32Array.of(-3, 0, 1, 127);
    const { tensors, metadata } = decodeSafetensors(
      encodeSafetensors(new Map([['a.b', { dtype, shape: [2, 2], data }]]), { step: '7' }),
    );
    expect(tensors).toEqual(new Map([['a.b', { dtype, shape: [2, 2], data, finite: true }]]));
    expect(metadata).toEqual({ step: '7' });
  });

  it.each([
    ['F64', [1, Number.NaN, 3]],
    ['F32', [1, 2, Number.POSITIVE_INFINITY]],
    ['F32', [1, Number.NaN]],
    ['F16', [1, 2, Number.NEGATIVE_INFINITY]],
    ['F16', [0, Number.NaN, 1, 2]],
    ['BF16', [Number.NaN]],
  ] as const)('sees what is not finite in %s %j', (dtype, values) => {
    const read = (data: readonly number[]) =>
      decodeSafetensors(encodeSafetensors(new Map([['a', { dtype, shape: [data.length], data }]]))).tensors.get('a');
    expect(read(values)).toMatchObject({ finite: false, data: Float32Array.from(values) });
    const finite = values.map((value) => (Number.isFinite(value) ? value : 0));
    expect(read(finite)).toMatchObject({ finite: true, data: Float32Array.from(finite) });
  });

  it('reads every float16 as the number that it is', () => {
    const halves = new Float16Array(Uint16Array.from({ length: 2 ** 16 }, (_, i) => i).buffer);
    const bytes = encodeSafetensors(new Map([['a', { dtype: 'F16', shape: [2 ** 16], data: halves }]]));
    expect(decodeSafetensors(bytes).tensors.get('a')?.data).toEqual(Float32Array.from(halves));
  });

  it('shows all bytes of a file in their order, though it reads them in pieces', async () => {
    const path = join(folder, 'pieces.safetensors');
    const data = Float32Array.from({ length: 400_000 }, (_, i) => i);
    const names = ['a', 'b', 'c', 'd'];
    const tensors = new Map<string, TensorToStore>(names.map((name) => [name, { dtype: 'F32', shape: [400_000], data }]));
    await writeSafetensors(path, tensors.set('e', { dtype: 'F16', shape: [3], data: [1, 2, 3] }));
    const pieces: Uint8Array[] = [];
    const read = await readTensors(path, undefined, (bytes) => pieces.push(bytes.slice()));
    expect(Buffer.concat(pieces).equals(await readFile(path))).toBe(true);
    expect(pieces.length).toBeGreaterThan(4);
    for (const name of names) expect(read.tensors.get(name)?.data).toEqual(data);
    expect(read.tensors.get('e')?.data).toEqual(Float32Array.of(1, 2, 3));
  });

  it('refuses to compute with float8', () => {
    const bytes = file(header({ a: { dtype: 'F8_E4M3', shape: [4], data_offsets: [0, 4] } }), 4);
    expect(() => decodeSafetensors(bytes)).toThrowError(
      expect.objectContaining({ name: 'InputError', code: 'unsupported_dtype' }),
    );
  });
});

describe('headers that lie', () => {
  const valid = header({ a: entry(0, 4) });
  const lies: [string, Uint8Array, RegExp][] = [
    ['nothing', Buffer.alloc(0), /has 0 bytes/],
    ['seven bytes', Buffer.alloc(7), /has 7 bytes/],
    ['no header', Buffer.alloc(8), /not JSON/],
    ['text', Buffer.from('hello, this is no safetensors file'), /header of \d+ bytes/],
    ['a pickle', Buffer.from('80027d71002858040000', 'hex'), /is a pickle/],
    ['a pickle of protocol 4', Buffer.from('8004952d000000000000', 'hex'), /is a pickle/],
    ['a zip', Buffer.from('504b03040000080800000000', 'hex'), /is a zip archive/],
    ['GGUF', Buffer.from('GGUF0000000000000000'), /GGUF/],
    ['a Git LFS pointer', Buffer.from('version https://git-lfs.github.com/spec/v1\n'), /Git LFS/],
    ['a web page', Buffer.from('<!DOCTYPE html><html></html>'), /web page/],
    ['a header of 2⁶⁴−1 bytes', file(valid, 4, 2n ** 64n - 1n), /18446744073709551615/],
    ['a header above the limit', file(valid, 4, 100_000_001n), /at most 100000000/],
    ['a header longer than the file', file(valid, 4, 1000n), /truncated/],
    ['a header cut off in the middle', file(valid, 4, 20n), /not JSON/],
    ['not UTF-8', file(Buffer.from('7b22ff223a7b7d7d', 'hex'), 0), /not JSON in UTF-8/],
    ['a list', file('[]', 0), /not a JSON object/],
    ['null', file('null', 0), /not a JSON object/],
    ['a tensor that is a number', file(header({ a: 3 }), 0), /a: dtype, shape and data_offsets wanted/],
    ['no dtype', file(header({ a: { shape: [1], data_offsets: [0, 4] } }), 4), /a: dtype/],
    ['an unknown dtype', file(header({ a: entry(0, 4, [1], 'F31') }), 4), /unknown dtype F31/],
    ['an inherited name as dtype', file(header({ a: entry(0, 4, [1], 'constructor') }), 4), /unknown dtype/],
    ['a negative dimension', file(header({ a: entry(0, 4, [-1, -1]) }), 4), /shape/],
    ['a fractional dimension', file(header({ a: entry(0, 4, [0.5, 2]) }), 4), /shape/],
    ['a dimension beyond 2⁵³', file(`{"a":{"dtype":"F32","shape":[1e300],"data_offsets":[0,4]}}`, 4), /shape/],
    ['an overflowing product', file(header({ a: entry(0, 4, [2 ** 40, 2 ** 40, 2 ** 40]) }), 4), /takes/],
    ['dimensions for more data', file(header({ a: entry(0, 4, [2]) }), 4), /takes 8 bytes.*give it 4/],
    ['offsets the wrong way round', file(header({ a: entry(4, 0, [1]) }), 4), /takes 4 bytes.*give it -4/],
    ['negative offsets', file(header({ a: entry(-4, 0, [1]) }), 4), /data_offsets/],
    ['three offsets', file(header({ a: { dtype: 'F32', shape: [1], data_offsets: [0, 4, 8] } }), 8), /data_offsets/],
    ['data beyond the end', file(header({ a: entry(0, 8) }), 4), /truncated: a ends at byte 8 of 4/],
    ['data far beyond the end', file(header({ a: entry(2 ** 50, 2 ** 50 + 4) }), 4), /belong to no tensor/],
    ['an overlap', file(header({ a: entry(0, 8), b: entry(4, 12) }), 12), /b overlaps/],
    ['the same bytes twice', file(header({ a: entry(0, 4), b: entry(0, 4) }), 4), /overlaps/],
    ['a hole', file(header({ a: entry(0, 4), b: entry(8, 12) }), 12), /bytes 4 to 8 belong to no tensor/],
    ['a hole at the start', file(header({ a: entry(4, 8) }), 8), /bytes 0 to 4/],
    ['bytes behind the end', file(valid, 5), /1 bytes behind the last tensor/],
    [
      'a name twice',
      file('{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}', 0),
      /names "a" twice/,
    ],
    [
      'a name twice, spelled differently',
      file(
        '{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"\\u0061" : {"dtype":"F32","shape":[0],"data_offsets":[0,0]}}',
        0,
      ),
      /"a" twice/,
    ],
    ['two dtypes', file('{"a":{"dtype":"F32","dtype":"F16","shape":[0],"data_offsets":[0,0]}}', 0), /"dtype" twice/],
    ['metadata that is not text', file(header({ __metadata__: { n: 3 } }), 0), /__metadata__/],
    ['metadata twice', file('{"__metadata__":{"a":"1"},"__metadata__":{"a":"2"}}', 0), /"__metadata__" twice/],
    ['a tensor named __proto__', file(`{"__proto__":${header(entry(0, 4))}}`, 4), /belong/],
  ];

  it.each(lies)('refuses %s', async (_, bytes, message) => {
    const error = expect.objectContaining({
      name: 'InputError',
      code: 'bad_safetensors',
      message: expect.stringMatching(message),
    });
    expect(() => decodeSafetensors(bytes)).toThrowError(error);
    const path = join(folder, 'lie.safetensors');
    await writeFile(path, bytes);
    await expect(readHeader(path)).rejects.toThrowError(error);
  });

  it('does not take brackets or colons inside strings for structure', () => {
    const bytes = file(
      header({ __metadata__: { a: '{"b":1,"b":2}', '"a': '}', 'a"': ':', b: 'a' }, b: entry(0, 4), 'b{': entry(4, 8) }),
      8,
    );
    expect([...decodeSafetensors(bytes).tensors.keys()]).toEqual(['b', 'b{']);
  });

  it('reads strings of any length, with any escapes', () => {
    const metadata = { '\\': '\\"', '"\\"': 'x'.repeat(20_000_000) };
    expect(decodeSafetensors(file(header({ __metadata__: metadata }), 0)).metadata).toEqual(metadata);
  });

  it('answers damage anywhere with an InputError or with the numbers', () => {
    const random = randomFrom(1);
    const bytes = encodeSafetensors(
      new Map([
        ['x', { dtype: 'F32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
        ['y', { dtype: 'F16', shape: [4], data: Float32Array.of(1, 2, 3, 4) }],
      ] as const),
      { format: 'pt' },
    );
    let refused = 0;
    for (let i = 0; i < 3000; i++) {
      const damaged = bytes.slice(0, random.integer(4) === 0 ? random.integer(bytes.length) : bytes.length);
      for (let n = random.integer(3); n >= 0; n--) damaged[random.integer(damaged.length || 1)] = random.integer(256);
      try {
        decodeSafetensors(damaged);
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(2000);
  });
});

describe('writing', () => {
  const tensors = new Map([
    ['z', { dtype: 'F16', shape: [3], data: Float32Array.of(0.5, -2, 1024) }],
    ['b', { dtype: 'F32', shape: [1, 2], data: Float32Array.of(1.5, Math.fround(1 / 3)) }],
    ['a', { dtype: 'F32', shape: [], data: [7] }],
  ] as const);

  it('aligns every tensor and gives the same bytes whatever the order', async () => {
    const path = join(folder, 'written.safetensors');
    await writeSafetensors(path, tensors, { b: '2', a: '1' });
    const { tensors: entries, dataOffset } = await readHeader(path);
    expect([...entries].map(([name, { begin }]) => [name, begin])).toEqual([
      ['a', 0],
      ['b', 4],
      ['z', 12],
    ]);
    expect(dataOffset % 8).toBe(0);
    const bytes = await readFile(path);
    expect(Buffer.compare(bytes, encodeSafetensors(new Map([...tensors].reverse()), { a: '1', b: '2' }))).toBe(0);
    expect([...((await readTensors(path)).tensors.get('z')?.data ?? [])]).toEqual([0.5, -2, 1024]);
  });

  it('replaces a file whole, and leaves it and nothing else when it fails', async () => {
    const own = await mkdtemp(join(folder, 'own-'));
    const path = join(own, 'x.safetensors');
    await writeSafetensors(path, tensors);
    const before = await readFile(path);
    const broken = { dtype: 'I64', shape: [1], data: [0.5] } as const;
    await expect(writeSafetensors(path, new Map([['x', broken]]))).rejects.toThrowError(RangeError);
    expect(await readdir(own)).toEqual(['x.safetensors']);
    expect(Buffer.compare(await readFile(path), before)).toBe(0);
  });

  it('wants as many numbers as the shape says', () => {
    expect(() => encodeSafetensors(new Map([['x', { dtype: 'F32', shape: [2, 2], data: [1, 2, 3] }]]))).toThrowError(
      'x: [2,2] wants 4 numbers, got 3',
    );
  });
});
