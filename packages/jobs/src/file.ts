import { z } from 'zod';
import type { Bucket } from './bucket/port.ts';
import { fileIdSchema, newId } from './ids.ts';
import { keys } from './keys.ts';
import { createRecord, readRecord } from './record.ts';

const mib = 1024 * 1024;

/** Most bytes of a file of each kind: pictures, and the lines or products of a batch. */
export const maxFileBytes = {
  'image/jpeg': 20 * mib,
  'image/png': 20 * mib,
  'image/webp': 20 * mib,
  'application/jsonl': 100 * mib,
  'text/csv': 20 * mib,
} as const;
const uploadSeconds = 15 * 60;

/** What is about to be uploaded; the bytes must be exactly these. */
const fileFields = z.strictObject({
  name: z.string().min(1).max(255).meta({ example: 'apple.png' }),
  content_type: z.enum(['image/jpeg', 'image/png', 'image/webp', 'application/jsonl', 'text/csv']).meta({ example: 'image/png' }),
  size_bytes: z.int().min(1).max(maxFileBytes['application/jsonl']).meta({ example: 48213 }),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'want 64 lower-case hex digits')
    .meta({ example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' }),
});
export const fileRequestSchema = fileFields
  .superRefine(({ content_type, size_bytes }, context) => {
    const most = maxFileBytes[content_type];
    if (size_bytes > most)
      context.addIssue({ code: 'custom', path: ['size_bytes'], message: `want at most ${most} bytes of ${content_type}` });
  })
  .meta({ id: 'FileRequest', description: `Pictures and CSV: at most ${20 * mib} bytes; JSONL: at most ${100 * mib}` });
export type FileRequest = z.infer<typeof fileRequestSchema>;

export const fileRecordSchema = fileFields
  .strip()
  .extend({ id: fileIdSchema, object: z.literal('file'), created_at: z.iso.datetime() })
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

/** A file's record, and whether its bytes have arrived. */
export async function readFile(bucket: Bucket, tenant: string, id: string): Promise<FileView | undefined> {
  const [stored, content] = await Promise.all([
    readRecord(bucket, keys.fileRecord(tenant, id), fileRecordSchema),
    bucket.head(keys.fileContent(tenant, id)),
  ]);
  return stored && { ...stored.record, uploaded: content?.size === stored.record.size_bytes };
}
