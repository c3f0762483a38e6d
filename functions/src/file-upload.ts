import { type FileRecord, type FileRequest, fileRequestSchema } from '@loraloom/jobs';
import { z } from 'zod';
import { ApiError, invalidRequest } from './error.ts';

/** A file as OpenAI's clients send it. */
export const fileFormSchema = z
  .object({
    file: z.instanceof(File).meta({ type: 'string', format: 'binary' }),
    purpose: z.string().min(1).max(64).meta({ description: 'Any; it is only shown', example: 'vision' }),
  })
  .meta({ id: 'FileForm' });

/** A file as OpenAI's API shows it: those that came with a purpose. */
export const openaiFileSchema = z
  .object({
    id: z.string(),
    object: z.literal('file'),
    bytes: z.int(),
    created_at: z.int().meta({ description: 'Seconds since 1970' }),
    filename: z.string(),
    purpose: z.string(),
    status: z.enum(['uploaded', 'processed']),
  })
  .meta({ id: 'OpenAIFile' });
export type OpenAIFile = z.infer<typeof openaiFileSchema>;

/** What clients that name no type mean. */
const typesByEnding: Record<string, string> = {
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  png: 'image/png',
  webp: 'image/webp',
  safetensors: 'application/octet-stream',
  jsonl: 'application/jsonl',
  csv: 'text/csv',
};

/** An uploaded form as a request for a file, and its bytes. @throws ApiError 422 if such a file is not taken */
export async function readForm({ file }: z.output<typeof fileFormSchema>): Promise<{ request: FileRequest; bytes: Uint8Array }> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  const ending = /\.(\w+)$/.exec(file.name)?.[1]?.toLowerCase() ?? '';
  const parsed = fileRequestSchema.safeParse({
    name: file.name,
    content_type: typesByEnding[ending] ?? file.type,
    size_bytes: bytes.length,
    sha256: Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join(''),
  });
  if (!parsed.success) {
    const { code, message } = invalidRequest(parsed.error.issues);
    throw new ApiError(422, code, `${file.name}: ${message}`, 'file');
  }
  return { request: parsed.data, bytes };
}

export function openaiFile({ id, size_bytes, created_at, name }: FileRecord, purpose: string): OpenAIFile {
  const created = Math.floor(Date.parse(created_at) / 1000);
  return { id, object: 'file', bytes: size_bytes, created_at: created, filename: name, purpose, status: 'processed' };
}
