import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** A checksum being computed. Its result is written in base64, big-endian, as in the `x-amz-checksum-*` headers. */
export type Checksum = { update(bytes: Uint8Array): void; digest(): string };

/** Every algorithm that may be named in an `x-amz-checksum-*` header, and the bytes of its result. */
export const checksums = {
  crc32: { size: 4, start: startCrc32 },
  crc32c: { size: 4, start: startCrc32c },
  crc64nvme: { size: 8, start: startCrc64Nvme },
  sha1: { size: 20, start: () => startHash('sha1') },
  sha256: { size: 32, start: () => startHash('sha256') },
} satisfies Record<string, { size: number; start: () => Checksum }>;

function startHash(algorithm: string): Checksum {
  const hash = createHash(algorithm);
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('base64') };
}

function startCrc32(): Checksum {
  let crc = 0;
  return {
    update(bytes) {
      crc = crc32(bytes, crc);
    },
    digest: () => word(crc).toString('base64'),
  };
}

// The other two are not in Node. Reflected polynomials, a byte at a time: https://reveng.sourceforge.io/crc-catalogue/all.htm
const castagnoli = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

function startCrc32c(): Checksum {
  let crc = 0xffffffff;
  return {
    update(bytes) {
      for (const byte of bytes) crc = (castagnoli[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
    },
    digest: () => word(~crc).toString('base64'),
  };
}

const nvme = Array.from({ length: 256 }, (_, byte) => {
  let crc = BigInt(byte);
  for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0x9a6c9329ac4bc9b5n : crc >> 1n;
  return crc;
});
const nvmeHigh = Uint32Array.from(nvme, (crc) => Number(crc >> 32n));
const nvmeLow = Uint32Array.from(nvme, (crc) => Number(crc & 0xffffffffn));

/** 64 bits in two words of 32: a BigInt for every byte would be forty times slower. */
function startCrc64Nvme(): Checksum {
  let high = 0xffffffff;
  let low = 0xffffffff;
  return {
    update(bytes) {
      for (const byte of bytes) {
        const row = (low ^ byte) & 0xff;
        low = ((low >>> 8) | (high << 24)) ^ (nvmeLow[row] ?? 0);
        high = (high >>> 8) ^ (nvmeHigh[row] ?? 0);
      }
    },
    digest: () => Buffer.concat([word(~high), word(~low)]).toString('base64'),
  };
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}
