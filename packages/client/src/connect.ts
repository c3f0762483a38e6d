import type { Usage } from '@loraloom/functions';
import type { AuditEntry, Model } from '@loraloom/jobs';
import { type Batches, batches } from './batches.ts';
import { type ApiKeySource, type CallOptions, openConnection, type Page, type PageOptions } from './connection.ts';
import { type Files, files, type Sha256, webSha256 } from './files.ts';
import { type Images, images } from './images.ts';
import { type Keys, keys, type Tokens, tokens } from './keys.ts';
import { type Loras, loras } from './loras.ts';
import { type Trainings, trainings } from './trainings.ts';
import { type Webhooks, webhooks } from './webhooks.ts';

export interface ConnectOptions {
  /** Where the API is, as `https://api.example`. */
  url: string;
  /** `ll_…`, for programs of your own; in web pages and apps a token, see `tokens.create`, or the JWT of a user. */
  apiKey: ApiKeySource;
  /** Default: the global one. */
  fetch?: typeof fetch;
  /** SHA-256 as 64 hex digits; default: WebCrypto's. React Native has none: pass one there. */
  sha256?: Sha256;
}

/** The API, typed: one property for each of its resources. */
export interface Loraloom {
  files: Files;
  trainings: Trainings;
  images: Images;
  batches: Batches;
  loras: Loras;
  models: {
    /** Base models, by name. */
    list(options?: CallOptions): Promise<Page<Model>>;
  };
  keys: Keys;
  tokens: Tokens;
  webhooks: Webhooks;
  /** What the tenant may use, and has used this month. */
  usage(options?: CallOptions): Promise<Usage>;
  /** Who asked for what on a day (UTC, as `2026-11-24`; default: today), newest first; for holders of the scope `admin`. */
  audit(options?: PageOptions & { day?: string }): Promise<Page<AuditEntry>>;
  /** What lies behind a presigned URL of a record: a picture, a checkpoint, a sample. */
  download(url: string, options?: CallOptions): Promise<Response>;
}

/** A connection to a Loraloom API; nothing is sent before the first call. */
export function connect({
  url,
  apiKey,
  fetch = globalThis.fetch.bind(globalThis),
  sha256 = webSha256,
}: ConnectOptions): Loraloom {
  const connection = openConnection(url, apiKey, fetch);
  const ownFiles = files(connection, sha256);
  return {
    files: ownFiles,
    trainings: trainings(connection, ownFiles),
    images: images(connection),
    batches: batches(connection),
    loras: loras(connection),
    models: { list: (options = {}) => connection.get('/v1/models', options) },
    keys: keys(connection),
    tokens: tokens(connection),
    webhooks: webhooks(connection),
    usage: (options = {}) => connection.get('/v1/usage', options),
    audit: ({ signal, ...query } = {}) => connection.call('GET', '/v1/audit', { signal, query }),
    download: (from, options = {}) => connection.send(from, {}, options),
  };
}
