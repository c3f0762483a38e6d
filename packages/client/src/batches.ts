import type { BatchEstimate, BatchRequestInput, BatchView } from '@loraloom/jobs';
import type { CallOptions, Connection, CreateOptions, Page, PageOptions } from './connection.ts';
import { type FollowOptions, finish, follow, type WaitOptions } from './follow.ts';

/** Lines of an uploaded JSONL file, or a template and the rows of an uploaded CSV file. */
export type BatchAsked = Omit<BatchRequestInput, 'dry_run'>;

type OnceOptions = Omit<CreateOptions, 'waitSeconds'>;

/** Requests for pictures by the thousand. */
export interface Batches {
  create(request: BatchAsked, options?: OnceOptions): Promise<BatchView>;
  /** Looks at every line, and makes nothing: how many pictures, how long, at what price, and what is wrong with which line. */
  estimate(request: BatchAsked, options?: CallOptions): Promise<BatchEstimate>;
  get(id: string, options?: CallOptions): Promise<BatchView>;
  list(options?: PageOptions): Promise<Page<BatchView>>;
  /** What waits is not begun, what runs is stopped, what is done stays. */
  cancel(id: string, options?: CallOptions): Promise<BatchView>;
  /** A new batch of the lines that failed. */
  retry(id: string, options?: OnceOptions): Promise<BatchView>;
  wait(batch: BatchView, options?: WaitOptions<BatchView>): Promise<BatchView>;
  follow(batch: BatchView, options?: FollowOptions): AsyncGenerator<BatchView, BatchView, void>;
}

export function batches({ call, create, get, list }: Connection): Batches {
  const place = (id: string) => `/v1/batches/${id}`;
  const getBatch: Batches['get'] = (id, options = {}) => get(place(id), options);
  const followBatch: Batches['follow'] = (batch, options = {}) =>
    follow(batch, () => getBatch(batch.id, options), stateOf, options);

  return {
    create: (request, options = {}) => create('/v1/batches', request, options),
    estimate: (request, { signal } = {}) =>
      call('POST', '/v1/batches', { body: { ...request, dry_run: true }, repeatable: true, signal }),
    get: getBatch,
    list: (options = {}) => list('/v1/batches', options),
    cancel: (id, { signal } = {}) => call('POST', `${place(id)}/cancel`, { repeatable: true, signal }),
    retry: (id, options = {}) => create(`${place(id)}/retry`, undefined, options),
    wait: (batch, options = {}) => finish(followBatch(batch, options), options.onProgress),
    follow: followBatch,
  };
}

const stateOf = ({ status, cancel_requested, request_counts }: BatchView) => [status, cancel_requested, request_counts];
