import type { OpenAIFile } from '@loraloom/functions';
import type { FileUpload, FileView } from '@loraloom/jobs';
import type { CallOptions, Connection, Page, PageOptions } from './connection.ts';
import { fetchWithProgress } from './fetch-with-progress.ts';

/** What can be uploaded: pictures, LoRAs to import (.safetensors), and what batches are made of. */
type ContentType = FileView['content_type'];
const types: readonly ContentType[] = ['image/png', 'image/jpeg', 'image/webp'];

export type Bytes = Blob | Uint8Array;

export interface UploadOptions extends CallOptions {
  /** Default: the File's own. */
  name?: string;
  /** Default: the Blob's own, or what the first bytes say. */
  contentType?: ContentType;
  /** Told, in a browser or on a phone, how many of the bytes have gone out; all of them at the end, everywhere. */
  onProgress?: (sentBytes: number) => void;
}

/** A file as the API shows it: OpenAI's way if it came that way. */
export type ShownFile = FileView | OpenAIFile;

export type Sha256 = (bytes: Uint8Array<ArrayBuffer>) => Promise<string>;

/** Files to train from, to paint over, to import. */
export interface Files {
  /** Announces a file, then puts its bytes straight into the bucket, again if the line breaks. */
  upload(bytes: Bytes, options?: UploadOptions): Promise<FileView>;
  get(id: string, options?: CallOptions): Promise<ShownFile>;
  list(options?: PageOptions): Promise<Page<ShownFile>>;
  /** Jobs that name it and have not read it yet fail. */
  delete(id: string, options?: CallOptions): Promise<{ id: string; object: 'file'; deleted: true }>;
}

export function files({ call, get, list, send, fetch }: Connection, sha256: Sha256): Files {
  return {
    async upload(given, options = {}) {
      const { onProgress, signal } = options;
      const bytes = given instanceof Uint8Array ? new Uint8Array(given) : new Uint8Array(await given.arrayBuffer());
      const body = {
        name: options.name ?? nameOf(given) ?? 'file',
        content_type: options.contentType ?? types.find((type) => 'type' in given && given.type === type) ?? typeOf(bytes),
        size_bytes: bytes.length,
        sha256: await sha256(bytes),
      };
      // Announced twice is not uploaded twice: the first announcement just stays without bytes.
      const { upload, ...file } = await call<FileUpload>('POST', '/v1/files', { body, repeatable: true, signal });
      const put = { method: upload.method, headers: upload.headers, body: bytes };
      const answer = await send(upload.url, put, options, onProgress && fetchWithProgress(fetch, onProgress));
      await answer.body?.cancel();
      onProgress?.(bytes.length);
      return { ...file, uploaded: true };
    },
    get: (id, options = {}) => get(`/v1/files/${id}`, options),
    list: (options = {}) => list('/v1/files', options),
    delete: (id, { signal } = {}) => call('DELETE', `/v1/files/${id}`, { signal }),
  };
}

export function nameOf(bytes: Bytes): string | undefined {
  return 'name' in bytes && typeof bytes.name === 'string' ? bytes.name : undefined;
}

export function sizeOf(bytes: Bytes): number {
  return bytes instanceof Uint8Array ? bytes.length : bytes.size;
}

/** By the signatures of PNG (W3C), JPEG (ISO 10918) and WebP (RFC 9649); the API looks at pictures more closely. */
function typeOf([a, b, c, d]: Uint8Array): ContentType {
  if (a === 0x89 && b === 0x50) return 'image/png';
  if (a === 0xff && b === 0xd8) return 'image/jpeg';
  return a === 0x52 && b === 0x49 && c === 0x46 && d === 0x46 ? 'image/webp' : 'application/octet-stream';
}

export async function webSha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', bytes);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
