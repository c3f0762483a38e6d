import {
  type BatchRecord,
  type Bucket,
  imageRequestSchema,
  type LineError,
  maxBatchLines,
  newId,
  RequestError,
  settleImage,
  type Work,
} from '@loraloom/jobs';
import { z } from 'zod';
import { invalidRequest } from '../error.ts';
import { findUnfit, imageTexts, refusalMessage } from '../moderate.ts';
import { customIdSchema, jsonLines, type Line, type RawLine } from './lines.ts';
import { rememberingBucket } from './memo.ts';
import { failedLines } from './results.ts';
import { type BatchServices, callsAtOnce } from './services.ts';
import { tableLines } from './table.ts';

/** What a batch's lines come from. */
export type Source = Pick<BatchRecord, 'request' | 'retry_of'>;

function rawLines(bucket: Bucket, tenant: string, { request, retry_of }: Source): AsyncIterable<RawLine> {
  if (retry_of !== null) return failedLines(bucket, tenant, retry_of);
  if (request.input_file_id === undefined) return tableLines(bucket, tenant, request);
  return jsonLines(bucket, tenant, request.input_file_id);
}

export type Checked = Line | LineError;

/** Every line of a batch, in order: as it will be kept, or what is wrong with it. */
export async function* checkedLines(
  services: Pick<BatchServices, 'bucket' | 'moderator'>,
  tenant: string,
  source: Source,
): AsyncGenerator<Checked> {
  const { bucket } = services;
  const reading = { ...services, bucket: rememberingBucket(bucket) };
  const seen = new Map<string, number>();
  let total = 0;
  let waiting: Promise<Checked>[] = [];
  for await (const raw of rawLines(bucket, tenant, source)) {
    if (++total > maxBatchLines) {
      yield* await Promise.all(waiting);
      const message = `want at most ${maxBatchLines} lines in a batch`;
      yield { line: raw.line, code: 'too_many_lines', message, param: null };
      return;
    }
    waiting.push(checkLine(reading, tenant, raw, seen));
    if (waiting.length === callsAtOnce) {
      yield* await Promise.all(waiting);
      waiting = [];
    }
  }
  yield* await Promise.all(waiting);
  if (total === 0) yield { line: 1, code: 'no_lines', message: 'the file holds no lines', param: null };
}

const withIdSchema = z.looseObject({ custom_id: customIdSchema });

async function checkLine(
  services: Pick<BatchServices, 'bucket' | 'moderator'>,
  tenant: string,
  raw: RawLine,
  seen: Map<string, number>,
): Promise<Checked> {
  const { line } = raw;
  if ('error' in raw) return { line, ...raw.error };
  const identified = withIdSchema.safeParse(raw.request);
  if (!identified.success) return lineError(line, identified.error.issues);
  const { custom_id, ...rest } = identified.data;
  const first = seen.get(custom_id);
  if (first !== undefined) {
    const message = `line ${first} has the custom_id ${custom_id} too; want another one`;
    return { line, code: 'duplicate_custom_id', message, param: 'custom_id' };
  }
  seen.set(custom_id, line);
  const request = imageRequestSchema.safeParse(rest);
  if (!request.success) return lineError(line, request.error.issues);
  const unfit = findUnfit(services, imageTexts(request.data));
  if (unfit) {
    const { param, ...refusal } = unfit;
    const refused = { code: 'content_refused', message: refusalMessage(unfit), param, refusal };
    return { line, custom_id, request: request.data, work: { images: 0, megapixel_steps: 0 }, refused };
  }
  try {
    const { width, height, steps, n, loras } = await settleImage(services.bucket, tenant, request.data, newId('image'));
    const work: Work = { images: n, megapixel_steps: (n * steps * width * height) / 1e6 };
    // Whatever is published while the batch goes on: all of it is made with what there is now.
    const pinned = request.data.loras.map((asked, i) => ({ ...asked, name: `${loras[i]?.name}@${loras[i]?.lora_id}` }));
    return { line, custom_id, request: { ...request.data, loras: pinned }, work };
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    return { line, code: error.code, message: error.message, param: error.param };
  }
}

function lineError(line: number, issues: z.core.$ZodIssue[]): LineError {
  const { code, message, param } = invalidRequest(issues);
  return { line, code, message, param };
}

/** Most errors of lines that are kept and shown. */
export const maxLineErrors = 100;
