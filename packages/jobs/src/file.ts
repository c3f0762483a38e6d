import { z } from 'zod';
import type { Bucket } from './bucket/port.ts';
import { fileIdSchema, newId } from './ids.ts';
import { keys } from './keys.ts';
import { createRecord, listFolders, readRecord } from './record.ts';

const uploadSeconds = 15 * 60;

const mebibyte = 2 ** 20;
const pictureBytes = 20 * mebibyte;

/** What may be uploaded, and how many bytes of it at most. */
const mostBytes = {
  'image/jpeg': pictureBytes,
  'image/png': pictureBytes,
  'image/webp': pictureBytes,
  // A LoRA, as .safetensors
  'application/octet-stream': 512 * mebibyte,
  // The lines of a batch, and its products
  'application/jsonl': 100 * mebibyte,
  'text/csv': 20 * mebibyte,
} as const;

const fileFields = z.strictObject({
  name: z.string().min(1).max(255).meta({ example: 'apple.png' }),
  content_type: z
    .enum(['image/jpeg', 'image/png', 'image/webp', 'application/octet-stream', 'application/jsonl', 'text/csv'])
    .meta({
      description: 'A picture, a LoRA to import (.safetensors) as application/octet-stream, or what a batch is made of',
      example: 'image/png',
    }),
  size_bytes: z
    .int()
    .min(1)
    .max(Math.max(...Object.values(mostBytes)))
    .meta({
      description: `Of a picture or CSV at most ${pictureBytes}, of JSONL ${mostBytes['application/jsonl']}`,
      example: 48213,
    }),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'want 64 lower-case hex digits')
    .meta({ example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' }),
});

/** What is about to be uploaded; the bytes must be exactly these. */
export const fileRequestSchema = fileFields
  .superRefine(({ content_type, size_bytes }, context) => {
    const most = mostBytes[content_type];
    if (size_bytes > most)
      context.addIssue({ code: 'custom', path: ['size_bytes'], message: `want at most ${most} of ${content_type}` });
  })
  .meta({ id: 'FileRequest' });
export type FileRequest = z.infer<typeof fileRequestSchema>;

export const fileRecordSchema = fileFields
  .strip()
  .extend({
    id: fileIdSchema,
    object: z.literal('file'),
    created_at: z.iso.datetime(),
    purpose: z.string().optional().meta({ description: 'What it was sent for, in the words of the sender' }),
  })
  .meta({ id: 'FileRecord' });
export type FileRecord = z.infer<typeof fileRecordSchema>;

/** A file as the API shows it. */
export const fileViewSchema = fileRecordSchema
  .extend({ uploaded: z.boolean().meta({ description: 'The bytes have arrived' }) })
  .meta({ id: 'File' });
export type FileView = z.infer<typeof fileViewSchema>;

/** The answer to a new file: where to PUT its bytes, with which headers, until when. */
export const fileUploadSchema = fileViewSchema
  .extend({
    upload: z.object({
      method: z.literal('PUT'),
      url: z.url(),
      headers: z.record(z.string(), z.string()).meta({ description: 'Send all of these with the bytes' }),
      expires_at: z.iso.datetime(),
    }),
  })
  .meta({ id: 'FileUpload' });
export type FileUpload = z.infer<typeof fileUploadSchema>;

/** Writes a file's record; the bytes go straight to the bucket. */
export async function createFile(bucket: Bucket, tenant: string, request: FileRequest): Promise<FileUpload> {
  const now = Date.now();
  const record: FileRecord = {
    id: newId('file', now),
    object: 'file',
    ...request,
    created_at: new Date(now).toISOString(),
  };
  await createRecord(bucket, keys.fileRecord(tenant, record.id), record);
  const { url, headers } = await bucket.presignPut(keys.fileContent(tenant, record.id), {
    size: record.size_bytes,
    sha256: record.sha256,
    contentType: record.content_type,
    expiresSeconds: uploadSeconds,
  });
  const expires_at = new Date(now + uploadSeconds * 1000).toISOString();
  return { ...record, uploaded: false, upload: { method: 'PUT', url, headers, expires_at } };
}

/** Writes a file whose bytes came with the request, which they fit. */
export async function storeFile(
  bucket: Bucket,
  tenant: string,
  request: FileRequest & { purpose: string },
  bytes: Uint8Array,
): Promise<FileRecord> {
  const now = Date.now();
  const record: FileRecord = { id: newId('file', now), object: 'file', ...request, created_at: new Date(now).toISOString() };
  await bucket.put(keys.fileContent(tenant, record.id), bytes, { contentType: record.content_type });
  await createRecord(bucket, keys.fileRecord(tenant, record.id), record);
  return record;
}

/** A page of a tenant's files, newest first. `next` is the `after` of the next page. */
export async function listFiles(
  bucket: Bucket,
  tenant: string,
  page: { after?: string | undefined; limit: number },
): Promise<{ files: FileView[]; next: string | undefined }> {
  const { names, next } = await listFolders(bucket, keys.files(tenant), page);
  const found = await Promise.all(names.map((id) => readFile(bucket, tenant, id)));
  return { files: found.filter((file) => file !== undefined), next };
}

/** @returns false if there is no such file */
export async function deleteFile(bucket: Bucket, tenant: string, id: string): Promise<boolean> {
  if (!(await readFile(bucket, tenant, id))) return false;
  // The record last: a deletion that was cut short can be repeated.
  await bucket.delete(keys.fileContent(tenant, id));
  await bucket.delete(keys.fileRecord(tenant, id));
  return true;
}

/** A file's record, and whether its bytes have arrived. */
export async function readFile(bucket: Bucket, tenant: string, id: string): Promise<FileView | undefined> {
  const [stored, content] = await Promise.all([
    readRecord(bucket, keys.fileRecord(tenant, id), fileRecordSchema),
    bucket.head(keys.fileContent(tenant, id)),
  ]);
  return stored && { ...stored.record, uploaded: content?.size === stored.record.size_bytes };
}
