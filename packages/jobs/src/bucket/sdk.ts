import { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { nextOf } from './next.ts';
import { type Bucket, type ByteRange, PreconditionFailed } from './port.ts';
import { copySource, presigner } from './presign.ts';

/**
 * A bucket through the AWS SDK, which refreshes ECS credentials and retries: for the worker, which starts once.
 * @param options.endpoint where presigned URLs point; without it, S3 in the client's region
 */
export function sdkBucket(client: S3Client, name: string, options: { endpoint?: string } = {}): Bucket {
  async function access() {
    const region = await client.config.region();
    const endpoint = options.endpoint ?? (await clientEndpoint(client)) ?? `https://s3.${region}.amazonaws.com`;
    return { endpoint, region, credentials: () => client.config.credentials() };
  }

  async function getObject(key: string, { ifNoneMatch, range }: { ifNoneMatch?: string; range?: ByteRange } = {}) {
    try {
      const answer = await client.send(
        new GetObjectCommand({
          Bucket: name,
          Key: key,
          ...(ifNoneMatch === undefined ? {} : { IfNoneMatch: ifNoneMatch }),
          ...(range === undefined ? {} : { Range: `bytes=${range.start}-${range.end ?? ''}` }),
        }),
      );
      const total = answer.ContentRange?.split('/').at(1);
      const size = Number(total ?? answer.ContentLength ?? 0);
      return { info: { etag: answer.ETag ?? '', size, contentType: answer.ContentType ?? '' }, body: answer.Body };
    } catch (error) {
      if (statusOf(error) === 404 || statusOf(error) === 304) return undefined;
      throw error;
    }
  }

  return {
    ...presigner(access, name),

    async head(key) {
      try {
        const answer = await client.send(new HeadObjectCommand({ Bucket: name, Key: key }));
        return { etag: answer.ETag ?? '', size: answer.ContentLength ?? 0, contentType: answer.ContentType ?? '' };
      } catch (error) {
        if (statusOf(error) === 404) return undefined;
        throw error;
      }
    },

    async get(key, options) {
      const found = await getObject(key, options);
      if (!found) return undefined;
      return { ...found.info, body: found.body?.transformToWebStream() ?? new Blob([]).stream() };
    },

    async getBytes(key, options) {
      const found = await getObject(key, options);
      if (!found) return undefined;
      return { ...found.info, bytes: new Uint8Array((await found.body?.transformToByteArray()) ?? []) };
    },

    async put(key, body, { ifMatch, ifNoneMatch, contentType = 'application/octet-stream' } = {}) {
      try {
        const answer = await client.send(
          new PutObjectCommand({
            Bucket: name,
            Key: key,
            ContentType: contentType,
            Body: body instanceof Uint8Array ? body : Readable.from(body.stream),
            ContentLength: body instanceof Uint8Array ? body.length : body.size,
            ...(ifMatch === undefined ? {} : { IfMatch: ifMatch }),
            ...(ifNoneMatch === undefined ? {} : { IfNoneMatch: ifNoneMatch }),
          }),
        );
        return { etag: answer.ETag ?? '' };
      } catch (error) {
        const conditional = ifMatch !== undefined || ifNoneMatch !== undefined;
        // 409: another conditional write was under way; 404: there is nothing left that If-Match could match.
        if (conditional && [404, 409, 412].includes(statusOf(error) ?? 0)) throw new PreconditionFailed(key);
        throw error;
      }
    },

    async copy(from, to) {
      try {
        await client.send(new CopyObjectCommand({ Bucket: name, Key: to, CopySource: copySource(name, from) }));
        return true;
      } catch (error) {
        if (statusOf(error) === 404) return false;
        throw error;
      }
    },

    async delete(key) {
      await client.send(new DeleteObjectCommand({ Bucket: name, Key: key }));
    },

    async list(prefix, { after, limit = 1000, delimiter } = {}) {
      const answer = await client.send(
        new ListObjectsV2Command({
          Bucket: name,
          Prefix: prefix,
          MaxKeys: limit,
          ...(after === undefined ? {} : { StartAfter: after }),
          ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
        }),
      );
      const keys = (answer.Contents ?? []).map(({ Key = '', Size = 0, ETag = '' }) => ({ key: Key, size: Size, etag: ETag }));
      const prefixes = (answer.CommonPrefixes ?? []).map(({ Prefix = '' }) => Prefix);
      return { keys, prefixes, next: answer.IsTruncated ? nextOf(keys, prefixes) : undefined };
    },
  };
}

function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

/** The endpoint the client was given, if any. */
async function clientEndpoint(client: S3Client): Promise<string | undefined> {
  const endpoint = await client.config.endpoint?.();
  if (!endpoint) return undefined;
  const { protocol, hostname, port } = endpoint;
  return `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`;
}
