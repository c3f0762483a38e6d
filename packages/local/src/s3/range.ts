import { S3Error } from './error.ts';

/**
 * The bytes a Range header asks for; `end` is exclusive. Like S3, this takes no notice of a header it cannot read, or
 * that asks for several ranges: the answer is then the whole object.
 * @throws S3Error 416 if the object has no such bytes
 */
export function parseRange(header: string | undefined, size: number): { start: number; end: number } | undefined {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '') ?? [];
  if (from === undefined || to === undefined || (from === '' && to === '')) return undefined;
  const start = from === '' ? Math.max(size - Number(to), 0) : Number(from);
  const end = from === '' || to === '' ? size : Math.min(Number(to) + 1, size);
  if (from !== '' && to !== '' && Number(to) < Number(from)) return undefined;
  if (start >= size) {
    throw new S3Error(416, 'InvalidRange', `The requested range ${header} is not satisfiable: the object has ${size} bytes`, {
      'content-range': `bytes */${size}`,
    });
  }
  return { start, end };
}
