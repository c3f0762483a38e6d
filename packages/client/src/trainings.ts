import type {
  TrainingCheck,
  TrainingEvent,
  TrainingRecord,
  TrainingRequest,
  TrainingRequestInput,
  TrainingView,
} from '@loraloom/jobs';
import { type CallOptions, type Connection, type CreateOptions, type Page, type PageOptions, sleep } from './connection.ts';
import { type Bytes, type Files, nameOf, sizeOf } from './files.ts';
import { type FollowOptions, finish, follow, hasEnded, type WaitOptions } from './follow.ts';

/** A picture to train from: one that has been uploaded, or the bytes of a JPEG, PNG or WebP file. */
export type TrainingPicture =
  | TrainingRequestInput['files'][number]
  | { picture: Bytes; name?: string; caption: string; repeats?: number };

/** A training as it is asked for; the pictures in it may still have to be uploaded. */
export type TrainingAsked = Omit<TrainingRequestInput, 'files' | 'prior_files'> & {
  files: readonly TrainingPicture[];
  prior_files?: readonly TrainingPicture[] | undefined;
};

export interface UploadProgress {
  /** Of all pictures together; fewer than before when the line broke and an upload begins anew. */
  sentBytes: number;
  totalBytes: number;
}

export interface CreateTrainingOptions extends CreateOptions {
  onUpload?: (progress: UploadProgress) => void;
}

export interface ContinueOptions extends CreateOptions {
  /** Of the checkpoint to go on from; default: the best one, or else the last. */
  step?: number;
}

export interface EventPage {
  object: 'list';
  data: TrainingEvent[];
  /** Pass it as `after` for what has happened since; null before anything has. */
  next: string | null;
}

/** Trainings of LoRAs. A training that failed is a record with status `failed`, not an exception. */
export interface Trainings {
  /**
   * Uploads the pictures that have to be, four at a time and each again if the line breaks, then makes the training.
   * Called again with the same `idempotencyKey`, pass the uploaded files' ids: new uploads are another request.
   */
  create(request: TrainingAsked, options?: CreateTrainingOptions): Promise<TrainingRecord>;
  /** What a training would be, and what its preflight finds; nothing is created. */
  check(request: TrainingRequestInput, options?: CallOptions): Promise<TrainingCheck>;
  /** A new training with another's request and changes to it, that goes on from one of its checkpoints. */
  continue(id: string, changes?: Partial<TrainingRequestInput>, options?: ContinueOptions): Promise<TrainingRecord>;
  /** With URLs of its checkpoints and samples, valid for an hour. */
  get(id: string, options?: CallOptions): Promise<TrainingView>;
  list(options?: PageOptions): Promise<Page<TrainingRecord>>;
  /** Ends a queued one at once, a running one at its next step. */
  cancel(id: string, options?: CallOptions): Promise<TrainingRecord>;
  /** What has happened in it since `after`, the `next` of the answer before. */
  events(id: string, options?: CallOptions & { after?: string }): Promise<EventPage>;
  /**
   * Yields what happens in it, from its begin to its end: the loss of each step, checkpoints, samples.
   * A step that was taken again after a crash is told again; the later one counts.
   */
  watch(id: string, options?: FollowOptions): AsyncGenerator<TrainingEvent, void, void>;
  /** Its final record; `onProgress` gets each one on the way. */
  wait(training: TrainingRecord, options?: WaitOptions<TrainingRecord>): Promise<TrainingRecord>;
  /** Yields its record whenever it has changed, the final one last, and returns that one too. */
  follow(training: TrainingRecord, options?: FollowOptions): AsyncGenerator<TrainingRecord, TrainingRecord, void>;
}

export function trainings({ call, create, get, list }: Connection, files: Pick<Files, 'upload'>): Trainings {
  const place = (id: string) => `/v1/trainings/${id}`;
  const getTraining: Trainings['get'] = (id, options = {}) => get(place(id), options);
  const followTraining: Trainings['follow'] = (training, options = {}) =>
    follow<TrainingRecord>(training, () => getTraining(training.id, options), stateOf, options);
  const events: Trainings['events'] = (id, { signal, after } = {}) =>
    call('GET', `${place(id)}/events`, { signal, query: { after } });

  return {
    async create({ files: asked, prior_files: priors = [], ...request }, options = {}) {
      const uploaded = await uploadAll(files, [...asked, ...priors], options);
      const [own, prior] = [uploaded.slice(0, asked.length), uploaded.slice(asked.length)];
      return create('/v1/trainings', { ...request, files: own, ...(prior.length > 0 ? { prior_files: prior } : {}) }, options);
    },
    check: (request, { signal } = {}) => call('POST', '/v1/trainings:check', { body: request, repeatable: true, signal }),
    async continue(id, changes = {}, { step, ...options } = {}) {
      // In the record the steps say what the epochs came to; a request has one of them.
      const { epochs: _, steps, ...same } = (await getTraining(id, options)).request;
      const from: TrainingRequest['continue_from'] = { training_id: id, ...(step === undefined ? {} : { step }) };
      const long = changes.epochs === undefined ? { steps } : {};
      return create('/v1/trainings', { ...same, ...long, continue_from: from, ...changes }, options);
    },
    get: getTraining,
    list: (options = {}) => list('/v1/trainings', options),
    cancel: (id, { signal } = {}) => call('POST', `${place(id)}/cancel`, { repeatable: true, signal }),
    events,
    async *watch(id, options = {}) {
      const { signal, firstPauseSeconds = 1, longestPauseSeconds = 3 } = options;
      let after: string | undefined;
      let pause = firstPauseSeconds;
      for (;;) {
        // Looked at before the events are: whatever happened was told before it ended.
        const ended = hasEnded(await getTraining(id, options));
        const { data, next } = await events(id, { ...options, ...(after === undefined ? {} : { after }) });
        yield* data;
        if (data.length > 0) pause = firstPauseSeconds;
        else if (ended) return;
        else pause = Math.min(pause * 1.5, longestPauseSeconds);
        after = next ?? undefined;
        if (!ended) await sleep(pause, signal);
      }
    },
    wait: (training, options = {}) => finish(followTraining(training, options), options.onProgress),
    follow: followTraining,
  };
}

const stateOf = ({ status, cancel_requested, attempts, progress, checkpoints, samples }: TrainingRecord) => [
  status,
  cancel_requested,
  attempts,
  progress,
  checkpoints.length,
  samples.length,
];

/** How many pictures are uploaded at a time. */
const uploadsAtATime = 4;

async function uploadAll(
  files: Pick<Files, 'upload'>,
  pictures: readonly TrainingPicture[],
  { signal, onUpload }: CreateTrainingOptions,
): Promise<TrainingRequestInput['files']> {
  const sent: number[] = [];
  const sizes = pictures.map((one) => ('picture' in one ? sizeOf(one.picture) : 0));
  const totalBytes = sizes.reduce((sum, size) => sum + size, 0);
  const uploaded: TrainingRequestInput['files'] = [];
  const left = [...pictures.entries()];
  const upload = async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      const [i, one] = next;
      if ('file_id' in one) {
        uploaded[i] = one;
        continue;
      }
      const { picture, caption, repeats, name = nameOf(picture) ?? `picture-${i + 1}` } = one;
      const onProgress = (bytes: number) => {
        sent[i] = bytes;
        onUpload?.({ sentBytes: sent.reduce((sum, some) => sum + some, 0), totalBytes });
      };
      const { id } = await files.upload(picture, { name, signal, ...(onUpload ? { onProgress } : {}) });
      uploaded[i] = { file_id: id, caption, repeats };
    }
  };
  try {
    await Promise.all(Array.from({ length: uploadsAtATime }, upload));
  } finally {
    // One that failed is the end of it: the others begin no more.
    left.length = 0;
  }
  return uploaded;
}
