import type { LoraChange, LoraImport, LoraRecord, LoraReport, LoraVersion, LoraView } from '@loraloom/jobs';
import type { CallOptions, Connection, Page, PageOptions } from './connection.ts';

/** The registry of LoRAs: names, and the versions under them. */
export interface Loras {
  list(options?: PageOptions): Promise<Page<LoraRecord>>;
  /** The latest version of a name, or `name@lora_…`, with URLs to download it, valid for an hour. */
  get(reference: string, options?: CallOptions): Promise<LoraView>;
  versions(name: string, options?: PageOptions): Promise<Page<LoraVersion>>;
  /** An uploaded file as a new version of a name. */
  import(lora: LoraImport, options?: CallOptions): Promise<LoraRecord>;
  /** What an uploaded file is, and why it could not be imported. */
  inspect(fileId: string, options?: CallOptions): Promise<LoraReport>;
  /** Which version is the latest, trigger words, licence, cover. */
  update(name: string, change: LoraChange, options?: CallOptions): Promise<LoraRecord>;
  /** Lets another tenant use it, as `owner/name`. */
  share(name: string, tenant: string, options?: CallOptions): Promise<LoraRecord>;
  unshare(name: string, tenant: string, options?: CallOptions): Promise<LoraRecord>;
  /** Takes a name out of use. */
  delete(name: string, options?: CallOptions): Promise<{ name: string; object: 'lora'; deleted: true }>;
  /** The file itself (safetensors): `.blob()`, `.arrayBuffer()` or the stream in `.body`. */
  download(reference: string, options?: CallOptions): Promise<Response>;
}

export function loras({ call, get, list, send }: Connection): Loras {
  const place = (reference: string) => `/v1/loras/${encodeURIComponent(reference)}`;
  // All of these may be done twice: the second time there is nothing left to do.
  const post = <T>(path: string, body: object, { signal }: CallOptions = {}) =>
    call<T>('POST', path, { body, repeatable: true, signal });
  const getLora: Loras['get'] = (reference, options = {}) => get(place(reference), options);

  return {
    list: (options = {}) => list('/v1/loras', options),
    get: getLora,
    versions: (name, options = {}) => list(`${place(name)}/versions`, options),
    import: (lora, options) => post('/v1/loras', lora, options),
    inspect: (fileId, options) => post('/v1/loras:inspect', { file_id: fileId }, options),
    update: (name, change, { signal } = {}) => call('PATCH', place(name), { body: change, signal }),
    share: (name, tenant, options) => post(`${place(name)}/share`, { tenant }, options),
    unshare: (name, tenant, options) => post(`${place(name)}/unshare`, { tenant }, options),
    delete: (name, { signal } = {}) => call('DELETE', place(name), { signal }),
    download: async (reference, options = {}) => send((await getLora(reference, options)).url, {}, options),
  };
}
