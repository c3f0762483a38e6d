import { type AwsAccess, presign } from '../aws.ts';
import { hexToBase64 } from '../digest.ts';
import type { Bucket } from './port.ts';

/** Path-style URL of an object: works with S3, with any endpoint on loopback, with bucket names that have dots. */
export function objectUrl(access: AwsAccess, bucketName: string, key: string): string {
  return `${access.endpoint}/${copySource(bucketName, key)}`;
}

/** An object as the header `x-amz-copy-source` names it. */
export function copySource(bucketName: string, key: string): string {
  return `${bucketName}/${key.split('/').map(encode).join('/')}`;
}

/** As signature version 4 spells it: what encodeURIComponent leaves of RFC 3986's reserved characters is encoded too. */
function encode(segment: string): string {
  return encodeURIComponent(segment).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
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
        // No space in it: a query may write one as + or %20, and only one of them is what was signed.
        url.searchParams.set('response-content-disposition', `attachment;filename*=UTF-8''${encodeURIComponent(filename)}`);
      }
      return presign(access, { method: 'GET', url: url.href, expiresSeconds });
    },
  };
}
