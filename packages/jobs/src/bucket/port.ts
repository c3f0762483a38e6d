/** Where objects live. Keys are `/`-separated, ASCII; bodies are bytes; every write is atomic. */
export interface Bucket {
  /** @returns undefined if there is no such object */
  head(key: string): Promise<ObjectInfo | undefined>;
  /**
   * A stream of an object, to be read to its end or cancelled.
   * @returns undefined if there is no such object, or if `ifNoneMatch` is its ETag (nothing new)
   */
  get(
    key: string,
    options?: { ifNoneMatch?: string; range?: ByteRange },
  ): Promise<(ObjectInfo & { body: ByteStream }) | undefined>;
  /** The same, read to its end. */
  getBytes(key: string, options?: { range?: ByteRange }): Promise<(ObjectInfo & { bytes: Uint8Array<ArrayBuffer> }) | undefined>;
  /**
   * Writes an object. `ifMatch`: only over the version with this ETag; `ifNoneMatch: '*'`: only where there is none.
   * @throws PreconditionFailed if the condition does not hold
   */
  put(key: string, body: Uint8Array | SizedStream, options?: PutOptions): Promise<{ etag: string }>;
  /**
   * Copies an object of at most 5 GB, over whatever is there, without its bytes coming here.
   * @returns false if there is none at `from`
   */
  copy(from: string, to: string): Promise<boolean>;
  /** Removes an object; it is no error if there is none. */
  delete(key: string): Promise<void>;
  /**
   * A page of the keys that begin with `prefix` and sort behind `after`, ascending, at most `limit` (1…1000, default 1000)
   * keys and prefixes together. With `delimiter`, keys that have it behind `prefix` are folded into `prefixes`, each ending in it.
   */
  list(prefix: string, options?: { after?: string; limit?: number; delimiter?: string }): Promise<Listing>;
  /**
   * A URL to which anyone may PUT exactly `size` bytes with this SHA-256 (hex), sending `headers`. Size, digest and type
   * are signed: other bytes are refused. `content-length` is signed too but not among `headers`: every HTTP client
   * sends it by itself, and browsers let nobody else set it.
   */
  presignPut(key: string, options: PresignPut): Promise<{ url: string; headers: Record<string, string> }>;
  /** A URL from which anyone may GET the object; `filename` makes browsers save it under that name. */
  presignGet(key: string, options: { expiresSeconds: number; filename?: string }): Promise<string>;
}

export type ByteStream = ReadableStream<Uint8Array<ArrayBuffer>>;
/** Offsets of bytes, `end` inclusive as in HTTP; without it, to the object's end. */
export type ByteRange = { start: number; end?: number };
/** S3 wants to know the size before the first byte. */
export type SizedStream = { stream: ReadableStream<Uint8Array>; size: number };
/** `size`: bytes of the whole object, also when a range was asked for. */
export type ObjectInfo = { etag: string; size: number; contentType: string };
export type PutOptions = { ifMatch?: string; ifNoneMatch?: '*'; contentType?: string };
export type PresignPut = { size: number; sha256: string; contentType: string; expiresSeconds: number };
export type Listing = {
  keys: { key: string; size: number; etag: string }[];
  prefixes: string[];
  /** The `after` of the next page; undefined when this is the last. */
  next: string | undefined;
};

/** A conditional write came too late: the object is not as the writer believed. */
export class PreconditionFailed extends Error {
  constructor(key: string) {
    super(`${key} was written by someone else`);
    this.name = 'PreconditionFailed';
  }
}
