import type {
  FileUpload,
  FileView,
  ImageRequestInput,
  ImageView,
  LoraRecord,
  LoraView,
  Model,
  TrainingCheck,
  TrainingEvent,
  TrainingRecord,
  TrainingRequestInput,
  TrainingView,
} from '@loraloom/jobs';
import { fetchWithProgress } from './fetch-with-progress.ts';
import { type Sending, send, sleep } from './request.ts';

export interface ConnectOptions {
  /** Where the API is, as `https://api.example`. */
  url: string;
  /** `ll_…`; keep it out of web pages that strangers load. */
  apiKey: string;
  /** Default: the global one. */
  fetch?: typeof fetch;
  /** SHA-256 as 64 hex digits; default: WebCrypto's. React Native has none: pass one there. */
  sha256?: (bytes: Uint8Array<ArrayBuffer>) => Promise<string>;
}

export interface CallOptions {
  signal?: AbortSignal;
}

export interface CreateOptions extends CallOptions {
  /** Your own name for the job: sent again with it, the request makes no second one. Default: a random one for each call. */
  idempotencyKey?: string;
  /** Waits for the job's end for up to this many seconds, 60 at most, before it answers. */
  waitSeconds?: number;
}

export interface PageOptions extends CallOptions {
  /** 1…100, default 20. */
  limit?: number;
  /** `next` of the page before. */
  after?: string;
}

export interface Page<T> {
  object: 'list';
  data: T[];
  /** Pass it as `after` for the next page; null on the last one. */
  next: string | null;
}

export interface UploadOptions extends CallOptions {
  name: string;
  contentType: 'image/jpeg' | 'image/png' | 'image/webp';
  /** Told, in a browser, how many of the picture's bytes have gone out; all of them at the end, everywhere. */
  onProgress?: (sentBytes: number) => void;
}

export interface WaitOptions extends CallOptions {
  /** Seconds between two looks: the first pause, and the longest one that they grow to. Default 0.25 and 3. */
  firstPauseSeconds?: number;
  longestPauseSeconds?: number;
}

export type Job = TrainingRecord | ImageView;

/** A connection to a Loraloom API; nothing is sent before the first call. */
export function connect({ url, apiKey, fetch = globalThis.fetch.bind(globalThis), sha256 = webSha256 }: ConnectOptions) {
  const base = url.replace(/\/+$/, '');

  // The types say what the API promises in its own schemas; parsing it all again here would cost ten times this client.
  async function call<T>(
    method: 'GET' | 'POST',
    path: string,
    options: CallOptions,
    body?: object,
    more: Record<string, string> = {},
  ): Promise<T> {
    const headers = { authorization: `Bearer ${apiKey}`, ...(body ? { 'content-type': 'application/json' } : {}), ...more };
    const init = { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) };
    const repeatable = method === 'GET' || path.endsWith('/cancel') || 'idempotency-key' in more;
    const answer = await send(`${base}${path}`, init, sending(repeatable, options));
    return answer.json();
  }

  /** Makes a job, once, though the line may break and the request be sent again. */
  function create<T>(path: string, request: object, options: CreateOptions): Promise<T> {
    // React Native has no randomUUID of its own; there a request goes out once, unless a key is given.
    const key = options.idempotencyKey ?? globalThis.crypto?.randomUUID?.();
    return call<T>('POST', path, options, request, {
      ...(key ? { 'idempotency-key': key } : {}),
      ...(options.waitSeconds ? { prefer: `wait=${Math.ceil(options.waitSeconds)}` } : {}),
    });
  }

  function sending(retry: boolean, { signal }: CallOptions): Sending {
    return { fetch, signal, retry };
  }

  const get = <T>(path: string, options: CallOptions) => call<T>('GET', path, options);
  const list = <T>(path: string, { limit, after, ...options }: PageOptions) => {
    const query = new URLSearchParams();
    if (limit !== undefined) query.set('limit', `${limit}`);
    if (after !== undefined) query.set('after', after);
    return get<Page<T>>(`${path}?${query}`, options);
  };

  /** Uploads a picture: announces it, then puts its bytes straight into the bucket, again if the line breaks. */
  async function uploadFile(picture: Blob | Uint8Array, options: UploadOptions): Promise<FileView> {
    const { name, contentType, onProgress } = options;
    const bytes = picture instanceof Blob ? new Uint8Array(await picture.arrayBuffer()) : new Uint8Array(picture);
    const announced = { name, content_type: contentType, size_bytes: bytes.length, sha256: await sha256(bytes) };
    const { upload, ...file } = await call<FileUpload>('POST', '/v1/files', options, announced);
    const put = { method: upload.method, headers: upload.headers, body: bytes };
    const way = sending(true, options);
    const answer = await send(upload.url, put, onProgress ? { ...way, fetch: fetchWithProgress(fetch, onProgress) } : way);
    await answer.body?.cancel();
    onProgress?.(bytes.length);
    return { ...file, uploaded: true };
  }

  const getTraining = (id: string, options: CallOptions = {}) => get<TrainingView>(`/v1/trainings/${id}`, options);
  const getImage = (id: string, options: CallOptions = {}) => get<ImageView>(`/v1/images/${id}`, options);

  function records(job: Job, options: WaitOptions): AsyncGenerator<Job, Job, void> {
    return job.object === 'training'
      ? follow(job, () => getTraining(job.id, options), options)
      : follow(job, () => getImage(job.id, options), options);
  }

  /**
   * Follows a job: yields its record whenever it has changed, the final one last, and returns that one too. A job that
   * failed is a record with status `failed`, not an exception. Looks often at first, then less often.
   */
  function wait(job: TrainingRecord, options?: WaitOptions): AsyncGenerator<TrainingRecord, TrainingRecord, void>;
  function wait(job: ImageView, options?: WaitOptions): AsyncGenerator<ImageView, ImageView, void>;
  function wait(job: Job, options: WaitOptions = {}) {
    return records(job, options);
  }

  /** The final record of a job, for those who do not care how it got there. */
  function finish(job: TrainingRecord, options?: WaitOptions): Promise<TrainingRecord>;
  function finish(job: ImageView, options?: WaitOptions): Promise<ImageView>;
  async function finish(job: Job, options: WaitOptions = {}): Promise<Job> {
    let latest = job;
    for await (const record of records(job, options)) latest = record;
    return latest;
  }

  return {
    uploadFile,
    getFile: (id: string, options: CallOptions = {}) => get<FileView>(`/v1/files/${id}`, options),

    createTraining: (request: TrainingRequestInput, options: CreateOptions = {}) =>
      create<TrainingRecord>('/v1/trainings', request, options),
    /** What a training would be, and what its preflight finds; nothing is created. */
    checkTraining: (request: TrainingRequestInput, options: CallOptions = {}) =>
      call<TrainingCheck>('POST', '/v1/trainings:check', options, request),
    getTraining,
    /** What has happened in a training since `after`, the `next` of the answer before. */
    trainingEvents: (id: string, { after, ...options }: CallOptions & { after?: string } = {}) =>
      get<{ object: 'list'; data: TrainingEvent[]; next: string | null }>(
        `/v1/trainings/${id}/events${after === undefined ? '' : `?after=${after}`}`,
        options,
      ),
    listTrainings: (options: PageOptions = {}) => list<TrainingRecord>('/v1/trainings', options),
    cancelTraining: (id: string, options: CallOptions = {}) =>
      call<TrainingRecord>('POST', `/v1/trainings/${id}/cancel`, options),

    createImage: (request: ImageRequestInput, options: CreateOptions = {}) => create<ImageView>('/v1/images', request, options),
    getImage,
    listImages: (options: PageOptions = {}) => list<ImageView>('/v1/images', options),
    cancelImage: (id: string, options: CallOptions = {}) => call<ImageView>('POST', `/v1/images/${id}/cancel`, options),

    listLoras: (options: PageOptions = {}) => list<LoraRecord>('/v1/loras', options),
    getLora: (name: string, options: CallOptions = {}) => get<LoraView>(`/v1/loras/${name}`, options),
    listModels: (options: CallOptions = {}) => get<Page<Model>>('/v1/models', options),

    wait,
    finish,
  };
}

export type Loraloom = ReturnType<typeof connect>;

async function* follow<T extends Job>(
  job: T,
  look: () => Promise<T>,
  { signal, firstPauseSeconds = 0.25, longestPauseSeconds = 3 }: WaitOptions,
): AsyncGenerator<T, T, void> {
  let pause = firstPauseSeconds;
  let latest = job;
  let seen = '';
  for (;;) {
    // What a record says about itself; the presigned URLs in it are other ones every time.
    const state = JSON.stringify([latest.status, latest.cancel_requested, latest.attempts, latest.progress]);
    if (state !== seen) yield latest;
    if (latest.status !== 'queued' && latest.status !== 'running') return latest;
    // After a change the next one may be near: look soon again, but not as soon as at first.
    pause = state === seen ? Math.min(pause * 1.5, longestPauseSeconds) : Math.min(firstPauseSeconds * 2, pause);
    seen = state;
    await sleep(pause, signal);
    latest = await look();
  }
}

async function webSha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', bytes);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
