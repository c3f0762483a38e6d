import type { Model } from '@loraloom/jobs';
import { type CallOptions, openConnection, type Page } from './connection.ts';
import { type Files, files, type Sha256, webSha256 } from './files.ts';
import { type Images, images } from './images.ts';
import { type Loras, loras } from './loras.ts';
import { type Trainings, trainings } from './trainings.ts';

export interface ConnectOptions {
  /** Where the API is, as `https://api.example`. */
  url: string;
  /** `ll_…`; keep it out of web pages that strangers load. */
  apiKey: string;
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
  loras: Loras;
  models: {
    /** Base models, by name. */
    list(options?: CallOptions): Promise<Page<Model>>;
  };
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
    loras: loras(connection),
    models: { list: (options = {}) => connection.get('/v1/models', options) },
    download: (from, options = {}) => connection.send(from, {}, options),
  };
}
