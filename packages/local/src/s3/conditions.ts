import { noSuchKey, notImplemented, preconditionFailed } from './error.ts';

/** The conditional headers of a request. */
export type Conditions = {
  ifMatch?: string | undefined;
  ifNoneMatch?: string | undefined;
  ifModifiedSince?: string | undefined;
  ifUnmodifiedSince?: string | undefined;
};

/** `etag` without quotes; `modifiedAt` in ms. */
type Version = { etag: string; modifiedAt: number };

/**
 * Whether an object may be written, or removed, over `current`.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 * @throws S3Error 412 if the conditions do not hold, 404 if there is nothing that If-Match could match
 */
export function requireWritable(key: string, current: Version | undefined, { ifMatch, ifNoneMatch }: Conditions): void {
  if (ifNoneMatch !== undefined && ifNoneMatch !== '*') throw notImplemented('If-None-Match with anything but * on a write');
  if (ifNoneMatch !== undefined && current) throw preconditionFailed('If-None-Match');
  if (ifMatch === undefined) return;
  if (!current) throw noSuchKey(key);
  if (!matches(ifMatch, current.etag)) throw preconditionFailed('If-Match');
}

/**
 * Whether a reader who sent these conditions gets the object (RFC 9110, 13.2.2).
 * @throws S3Error 412
 */
export function readable(current: Version, conditions: Conditions): 'send' | 'not modified' {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions;
  // HTTP's dates have whole seconds.
  const modified = Math.floor(current.modifiedAt / 1000) * 1000;
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, current.etag)) throw preconditionFailed('If-Match');
  } else if (ifUnmodifiedSince !== undefined && modified > Date.parse(ifUnmodifiedSince)) {
    throw preconditionFailed('If-Unmodified-Since');
  }
  if (ifNoneMatch !== undefined) return matches(ifNoneMatch, current.etag) ? 'not modified' : 'send';
  if (ifModifiedSince !== undefined && modified <= Date.parse(ifModifiedSince)) return 'not modified';
  return 'send';
}

/** Whether a list of ETags, or `*`, has this one; quotes and `W/` do not count. */
export function matches(list: string, etag: string): boolean {
  return list.split(',').some((given) => {
    const tag = given.trim().replace(/^W\//, '').replaceAll('"', '');
    return tag === '*' || tag === etag;
  });
}
