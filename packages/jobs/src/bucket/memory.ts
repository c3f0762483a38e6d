import { sha256Hex } from '../digest.ts';
import { type Bucket, type ByteRange, type ByteStream, type Listing, PreconditionFailed } from './port.ts';

type Held = { bytes: Uint8Array<ArrayBuffer>; etag: string; contentType: string };

/** A bucket in this process's memory, for unit tests. Presigned URLs have the host `memory.invalid` and are answered by `fetch`. */
export function memoryBucket(): Bucket & { fetch: typeof fetch } {
  const objects = new Map<string, Held>();
  let version = 0;

  const bucket: Bucket = {
    async head(key) {
      const held = objects.get(key);
      return held && { etag: held.etag, size: held.bytes.length, contentType: held.contentType };
    },

    async get(key, { ifNoneMatch, range } = {}) {
      const held = objects.get(key);
      if (!held || held.etag === ifNoneMatch) return undefined;
      const { etag, contentType } = held;
      return { body: streamOf(slice(held.bytes, range)), etag, size: held.bytes.length, contentType };
    },

    async getBytes(key, { range } = {}) {
      const held = objects.get(key);
      if (!held) return undefined;
      return { bytes: slice(held.bytes, range), etag: held.etag, size: held.bytes.length, contentType: held.contentType };
    },

    async put(key, body, { ifMatch, ifNoneMatch, contentType = 'application/octet-stream' } = {}) {
      const bytes =
        body instanceof Uint8Array ? new Uint8Array(body) : new Uint8Array(await new Response(body.stream).arrayBuffer());
      const held = objects.get(key);
      if (ifNoneMatch && held) throw new PreconditionFailed(key);
      if (ifMatch !== undefined && held?.etag !== ifMatch) throw new PreconditionFailed(key);
      const etag = `"${++version}"`;
      objects.set(key, { bytes, etag, contentType });
      return { etag };
    },

    async copy(from, to) {
      const held = objects.get(from);
      if (held) objects.set(to, { ...held, etag: `"${++version}"` });
      return held !== undefined;
    },

    async delete(key) {
      objects.delete(key);
    },

    async list(prefix, { after = '', limit = 1000, delimiter } = {}) {
      const listing: Listing = { keys: [], prefixes: [], next: undefined };
      let last: string | undefined;
      for (const key of [...objects.keys()].sort()) {
        if (!key.startsWith(prefix) || key <= after) continue;
        const cut = delimiter ? key.indexOf(delimiter, prefix.length) : -1;
        const folder = cut >= 0 && delimiter ? key.slice(0, cut + delimiter.length) : undefined;
        if (folder !== undefined && listing.prefixes.at(-1) === folder) continue;
        if (listing.keys.length + listing.prefixes.length === limit) return { ...listing, next: last };
        if (folder === undefined) {
          const held = objects.get(key);
          listing.keys.push({ key, size: held?.bytes.length ?? 0, etag: held?.etag ?? '' });
          last = key;
        } else {
          listing.prefixes.push(folder);
          last = `${folder}~`;
        }
      }
      return listing;
    },

    async presignPut(key, { size, sha256, contentType, expiresSeconds }) {
      const query = new URLSearchParams({ size: `${size}`, sha256, expires: `${Date.now() + expiresSeconds * 1000}` });
      return {
        url: `https://memory.invalid/${key}?${query}`,
        headers: { 'content-type': contentType, 'x-sha256': sha256 },
      };
    },

    async presignGet(key, { expiresSeconds }) {
      return `https://memory.invalid/${key}?expires=${Date.now() + expiresSeconds * 1000}`;
    },
  };

  return {
    ...bucket,
    async fetch(input, init) {
      const request = new Request(input, init);
      const url = new URL(request.url);
      const key = url.pathname.slice(1);
      if (Number(url.searchParams.get('expires')) < Date.now()) return new Response('expired', { status: 403 });
      if (request.method === 'GET') {
        const found = await bucket.getBytes(key);
        return found ? new Response(found.bytes) : new Response('no such key', { status: 404 });
      }
      const bytes = new Uint8Array(await request.arrayBuffer());
      const digest = await sha256Hex(bytes);
      if (bytes.length !== Number(url.searchParams.get('size')) || digest !== url.searchParams.get('sha256')) {
        return new Response('not the bytes that were signed', { status: 400 });
      }
      if (request.headers.get('x-sha256') !== digest) return new Response('a signed header is missing', { status: 403 });
      await bucket.put(key, bytes, { contentType: request.headers.get('content-type') ?? '' });
      return new Response();
    },
  };
}

function slice(bytes: Uint8Array<ArrayBuffer>, range: ByteRange | undefined) {
  return range ? bytes.slice(range.start, range.end === undefined ? undefined : range.end + 1) : bytes.slice();
}

function streamOf(bytes: Uint8Array<ArrayBuffer>): ByteStream {
  return new ReadableStream({
    start(controller) {
      if (bytes.length > 0) controller.enqueue(bytes);
      controller.close();
    },
  });
}
