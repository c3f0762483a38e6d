/** What the first and the last bytes of a picture's file say. */
export interface PictureHeader {
  format: 'PNG' | 'JPEG' | 'WebP';
  /** In pixels, before any turning that EXIF asks for. */
  width: number;
  height: number;
  /** The file ends as its format does. */
  complete: boolean;
}

/** How much of a file's beginning and end `readPictureHeader` wants to see. JPEG has its size behind EXIF, previews and colour profiles. */
export const headBytes = 64 * 1024;
export const tailBytes = 4 * 1024;

/**
 * Reads size and completeness of a PNG (W3C, 2003), JPEG (ITU-T T.81, annex B) or WebP (RFC 9649) file without decoding it.
 * @param head its first bytes
 * @param tail its last bytes, as many as there are up to `tailBytes`
 * @param size of the whole file, in bytes
 * @returns null if it is none of these, undefined if `head` does not say how large it is; a whole file that does not is cut off, 0 × 0
 */
export function readPictureHeader(head: Uint8Array, tail: Uint8Array, size: number): PictureHeader | null | undefined {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const found = startsWith(head, '89504e470d0a1a0a')
    ? { format: 'PNG' as const, ...pngSize(view), complete: has(tail, '49454e44ae426082') }
    : startsWith(head, 'ffd8ff')
      ? // Cameras put further pictures and notes of their own behind the end; Samsung's are signed SEFT.
        { format: 'JPEG' as const, ...jpegSize(view), complete: has(tail, 'ffd9') || has(tail.subarray(-4), '53454654') }
      : startsWith(head, '52494646') && has(head.subarray(8, 12), '57454250')
        ? { format: 'WebP' as const, ...webpSize(view), complete: head.length >= 8 && size >= view.getUint32(4, true) + 8 }
        : undefined;
  if (!found) return null;
  const { width, height } = found;
  if (width !== undefined && height !== undefined) return { ...found, width, height };
  return head.length < size ? undefined : { ...found, width: 0, height: 0, complete: false };
}

type Size = { width?: number; height?: number };

function pngSize(view: DataView): Size {
  return view.byteLength < 24 ? {} : { width: view.getUint32(16), height: view.getUint32(20) };
}

/** Walks the segments to the frame's header: SOF0 to SOF15 but for DHT, JPG and DAC, which lie between them. */
function jpegSize(view: DataView): Size {
  for (let at = 2; at + 9 <= view.byteLength; ) {
    if (view.getUint8(at) !== 0xff) return {};
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) at += 1;
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) at += 2;
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker))
      return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    else at += 2 + view.getUint16(at + 2);
  }
  return {};
}

function webpSize(view: DataView): Size {
  if (view.byteLength < 30) return {};
  const chunk = String.fromCharCode(...[12, 13, 14, 15].map((at) => view.getUint8(at)));
  const uint24 = (at: number) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  if (chunk === 'VP8X') return { width: 1 + uint24(24), height: 1 + uint24(27) };
  if (chunk === 'VP8 ') return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  if (chunk !== 'VP8L') return {};
  const bits = view.getUint32(21, true);
  return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) };
}

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
const startsWith = (bytes: Uint8Array, start: string) => hex(bytes.subarray(0, start.length / 2)) === start;

/** Whether a sequence of bytes is among others. */
function has(bytes: Uint8Array, wanted: string): boolean {
  const text = hex(bytes);
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) if (at % 2 === 0) return true;
  return false;
}
