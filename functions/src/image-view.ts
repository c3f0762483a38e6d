import { type Bucket, type ImageRecord, type ImageView, images, isFinal, keys, readPace } from '@loraloom/jobs';
import { z } from 'zod';
import { ApiError } from './error.ts';
import type { Services } from './services.ts';

const urlSeconds = 3600;

/** Most bytes of pictures that go into one answer: Lambda's answers have 6 MB, and base 64 makes four of three. */
const mostInlineBytes = 4 * 2 ** 20;

export const responseFormatSchema = z.enum(['url', 'b64_json', 'data_uri']);
export type ResponseFormat = z.infer<typeof responseFormatSchema>;

export const formatQuery = z.strictObject({
  response_format: responseFormatSchema.default('url').meta({
    description: `How finished pictures come: as URLs, or in the answer as well, unless they have more than ${mostInlineBytes} bytes together`,
  }),
});

/** How records of pictures are shown, with what is known of the queue now. */
export type ViewImage = (tenant: string, record: ImageRecord, format?: ResponseFormat) => Promise<ImageView>;

export function imageViews({ bucket, queues }: Pick<Services, 'bucket' | 'queues'>): ViewImage {
  // Asked for by everyone who polls; seconds make no difference to a count that is approximate anyway.
  const waiting = lately(() => queues.images.waiting());
  const pace = lately(() => readPace(bucket, images.folder));
  return async (tenant, record, format = 'url') => {
    const queued = record.status === 'queued';
    // What cannot be told is no reason to keep the rest back.
    const [position, jobsPerSecond] = queued
      ? await Promise.all([waiting().catch(() => null), pace().catch(() => undefined)])
      : [null, undefined];
    const endsIn = position === null || jobsPerSecond === undefined ? null : Math.ceil((position + 1) / jobsPerSecond);
    const poll = await bucket.presignGet(keys.jobRecord(images.folder, tenant, record.id), { expiresSeconds: urlSeconds });
    const path = `/v1/images/${record.id}`;
    return {
      ...record,
      output: record.output && !isExpired(record) ? await outputOf(bucket, record.output, format) : null,
      urls: { self: path, cancel: `${path}/cancel`, poll },
      queue_position: position,
      estimated_seconds: queued ? endsIn : isFinal(record.status) ? null : record.progress.seconds_left,
    };
  };
}

/** @throws ApiError 410 `expired` if the pictures were there and are removed by now */
export function refuseExpired(record: ImageRecord): void {
  if (isExpired(record))
    throw new ApiError(410, 'expired', `the pictures of ${record.id} were kept until ${record.output?.expires_at}`, 'id');
}

function isExpired({ status, output }: ImageRecord): boolean {
  return isFinal(status) && output?.expires_at !== undefined && Date.parse(output.expires_at) <= Date.now();
}

async function outputOf(
  bucket: Bucket,
  { images: pictures, ...rest }: NonNullable<ImageRecord['output']>,
  format: ResponseFormat,
) {
  const inline = format === 'url' ? undefined : await base64Of(bucket, pictures);
  const views = pictures.map(async ({ key, ...picture }, i) => {
    const url = await bucket.presignGet(key, { expiresSeconds: urlSeconds });
    if (format === 'url') return { ...picture, url };
    const text = inline?.[i] ?? null;
    return {
      ...picture,
      url,
      [format]: format === 'data_uri' && text !== null ? `data:${picture.content_type};base64,${text}` : text,
    };
  });
  return { images: await Promise.all(views), ...rest };
}

/** The pictures' bytes in base 64; undefined if they are too many together. */
async function base64Of(bucket: Bucket, pictures: readonly { key: string }[]): Promise<string[] | undefined> {
  const texts: string[] = [];
  let total = 0;
  for (const { key } of pictures) {
    const found = await bucket.getBytes(key);
    if (!found) throw new Error(`${key} is missing, though its record is there`);
    total += found.size;
    if (total > mostInlineBytes) return undefined;
    texts.push(base64(found.bytes));
  }
  return texts;
}

function base64(bytes: Uint8Array): string {
  // In pieces: a call takes so many arguments and no more.
  let text = '';
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

const latelyMilliseconds = 5000;

/** Asks again only when the answer is older than five seconds; what fails is asked again at once. */
function lately<T>(ask: () => Promise<T>): () => Promise<T> {
  let asked = Number.NEGATIVE_INFINITY;
  let answer: Promise<T> | undefined;
  return () => {
    if (answer && Date.now() - asked < latelyMilliseconds) return answer;
    asked = Date.now();
    answer = ask();
    answer.catch(() => {
      answer = undefined;
    });
    return answer;
  };
}
