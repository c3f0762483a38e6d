import { type AwsAccess, presign } from '../aws.ts';
import { hexToBase64 } from '../digest.ts';
import type { Bucket } from './port.ts';

/** Path-style URL of an object: works with S3, with any endpoint on loopback, with bucket names that have dots. */
export function objectUrl(access: AwsAccess, bucketName: string, key: string): string {
  return `${access.endpoint}/${bucketName}/${key.split('/').map(encodeURIComponent).join('/')}`;
}

/**
 * The presigning half of a bucket, shared by both S3 adapters. The SDK's own presigner is not used: by default it signs
 * the CRC-32 of an empty body into the URL, leaves Content-Type unsigned and hoists the SHA-256 into the query.
 */
export function presigner(
  accessTo: () => AwsAccess | Promise<AwsAccess>,
  bucketName: string,
): Pick<Bucket, 'presignPut' | 'presignGet'> {
  return {
    async presignPut(key, { size, sha256, contentType, expiresSeconds }) {
      const access = await accessTo();
      const headers = { 'content-type': contentType, 'x-amz-checksum-sha256': hexToBase64(sha256) };
      const url = await presign(access, {
        method: 'PUT',
        url: objectUrl(access, bucketName, key),
        headers: { ...headers, 'content-length': `${size}` },
        expiresSeconds,
      });
      return { url, headers };
    },

    async presignGet(key, { expiresSeconds, filename }) {
      const access = await accessTo();
      const url = new URL(objectUrl(access, bucketName, key));
      if (filename !== undefined) {
        url.searchParams.set('response-content-disposition', `attachment; filename*=UTF-8''${encodeURIComponent(filename)}`);
      }
      return presign(access, { method: 'GET', url: url.href, expiresSeconds });
    },
  };
}
