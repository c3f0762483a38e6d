import type { ImageRecord, ImageRequestInput, ImageView, Receipt } from '@loraloom/jobs';
import { type CallOptions, type Connection, type CreateOptions, type Page, type PageOptions, preferOf } from './connection.ts';
import { type FollowOptions, finish, follow, hasEnded, type WaitOptions } from './follow.ts';

export interface FormatOptions {
  /** Pictures of up to 4 MiB together in the answer as well, beside their URLs. Default: URLs alone. */
  responseFormat?: 'url' | 'b64_json' | 'data_uri';
}

/** Pictures as described, or one that was made before, by its receipt. */
export type ImageAsked = ImageRequestInput | { receipt: Receipt };

/** Requests for pictures. A request that failed is a record with status `failed`, not an exception. */
export interface Images {
  create(request: ImageAsked, options?: CreateOptions & FormatOptions): Promise<ImageView>;
  /** Under an id of your own, see `newImageId`: the same id and request are the same job, however often they are sent. */
  put(id: string, request: ImageAsked, options?: Omit<CreateOptions, 'idempotencyKey'> & FormatOptions): Promise<ImageView>;
  get(id: string, options?: CallOptions & FormatOptions): Promise<ImageView>;
  list(options?: PageOptions): Promise<Page<ImageView>>;
  /** Ends a queued one at once, a running one at its next step. */
  cancel(id: string, options?: CallOptions): Promise<ImageView>;
  /** Its final record; `onProgress` gets each one on the way. */
  wait(image: ImageView, options?: WaitOptions<ImageView> & FormatOptions): Promise<ImageView>;
  /** Yields its record whenever it has changed, the final one last, and returns that one too. */
  follow(image: ImageView, options?: FollowOptions & FormatOptions): AsyncGenerator<ImageView, ImageView, void>;
}

/** Of so many looks at an image all but the last are at its record in the bucket. */
const looksAtTheBucket = 10;

export function images({ call, create, list, fetch }: Connection): Images {
  const place = (id: string) => `/v1/images/${id}`;
  const formatOf = ({ responseFormat }: FormatOptions) => ({ response_format: responseFormat });

  const get: Images['get'] = (id, { signal, ...options } = {}) => call('GET', place(id), { signal, query: formatOf(options) });
  const followImage: Images['follow'] = (image, options = {}) => {
    let looks = 0;
    return follow(
      image,
      async (latest) => {
        // The bare record costs the API nothing; its place in the queue, and the pictures' URLs, only the API knows.
        const record = ++looks % looksAtTheBucket === 0 ? undefined : await bareRecord(latest, options);
        if (!record || hasEnded(record)) return get(image.id, options);
        const { status, cancel_requested, attempts, progress, started_at } = record;
        const queued = status === 'queued' ? {} : { queue_position: null, estimated_seconds: progress.seconds_left };
        return { ...latest, status, cancel_requested, attempts, progress, started_at, ...queued };
      },
      stateOf,
      options,
    );
  };

  async function bareRecord({ urls }: ImageView, { signal }: CallOptions): Promise<ImageRecord | undefined> {
    try {
      // What a browser has kept may be old.
      const answer = await fetch(urls.poll, { cache: 'no-cache', ...(signal ? { signal } : {}) });
      return answer.ok ? await answer.json() : undefined;
    } catch {
      // Whatever is the matter, an hour that has passed or a page that may not ask elsewhere: the API is asked instead.
      return undefined;
    }
  }

  return {
    create: (request, options = {}) => create('/v1/images', request, options, formatOf(options)),
    put: (id, request, { signal, waitSeconds, ...options } = {}) =>
      call('PUT', place(id), { body: request, query: formatOf(options), headers: preferOf(waitSeconds), signal }),
    get,
    list: (options = {}) => list('/v1/images', options),
    cancel: (id, { signal } = {}) => call('POST', `${place(id)}/cancel`, { repeatable: true, signal }),
    wait: (image, options = {}) => finish(followImage(image, options), options.onProgress),
    follow: followImage,
  };
}

const stateOf = ({ status, cancel_requested, attempts, progress, queue_position }: ImageView) => [
  status,
  cancel_requested,
  attempts,
  progress,
  queue_position,
];

/** Crockford's base 32, lower case: no i, l, o, u. */
const digits = '0123456789abcdefghjkmnpqrstvwxyz';

/**
 * An id for `images.put`: valid for seven days, and newer ones sort first.
 * The first ten of its characters are 2^48 − 1 − milliseconds since 1970, the other sixteen are random.
 */
export function newImageId(): string {
  let time = 2 ** 48 - 1 - Date.now();
  let id = '';
  for (let i = 0; i < 10; i++, time = Math.floor(time / 32)) id = digits.charAt(time % 32) + id;
  for (const byte of crypto.getRandomValues(new Uint8Array(16))) id += digits.charAt(byte % 32);
  return `img_${id}`;
}
