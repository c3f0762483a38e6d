import { decodeMask, decodePicture, InputError, type Picture, resizeCover } from '@loraloom/engine';
import { type Bucket, keys } from '@loraloom/jobs';
import { Failure } from './failure.ts';

/** An uploaded picture as it is. @throws Failure naming the file and what is wrong with it */
export const readWhole = (bucket: Bucket, tenant: string, file: string, param: string) =>
  read(bucket, tenant, file, param, decodePicture);

/** An uploaded picture, scaled to cover `width` × `height`. @throws Failure naming the file and what is wrong with it */
export const readPicture = (bucket: Bucket, tenant: string, file: string, param: string, width: number, height: number) =>
  read(bucket, tenant, file, param, async (bytes): Promise<Picture> => resizeCover(await decodePicture(bytes), width, height));

/** An uploaded mask, scaled as pictures are. @throws Failure naming the file and what is wrong with it */
export const readMask = (bucket: Bucket, tenant: string, file: string, param: string, width: number, height: number) =>
  read(bucket, tenant, file, param, (bytes) => decodeMask(bytes, width, height));

async function read<T>(
  bucket: Bucket,
  tenant: string,
  file: string,
  param: string,
  decode: (bytes: Uint8Array) => Promise<T>,
): Promise<T> {
  const content = await bucket.getBytes(keys.fileContent(tenant, file));
  if (!content) throw new Failure('file_not_uploaded', `the bytes of ${file} were never uploaded`, param);
  try {
    return await decode(content.bytes);
  } catch (cause) {
    if (cause instanceof InputError) throw new Failure(cause.code, `${file}: ${cause.message}`, param, { cause });
    throw cause;
  }
}
