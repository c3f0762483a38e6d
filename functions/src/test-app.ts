import { createHash } from 'node:crypto';
import {
  type FileUpload,
  fileUploadSchema,
  keys,
  type LoraVersion,
  type Model,
  newId,
  publishLora,
  putRecord,
} from '@loraloom/jobs';
import { memoryBucket } from '@loraloom/jobs/bucket/memory';
import { memoryLimits } from '@loraloom/jobs/limits/memory';
import { memoryQueues } from '@loraloom/jobs/queue/memory';
import { type Scope, scopeSchema } from './access.ts';
import { createApiKey } from './api-key.ts';
import { createApp } from './app.ts';
import type { Services } from './services.ts';
import { holdToDocument } from './test-document.ts';

export const pepper = 'a pepper of at least thirty-two characters';
/** SHA-256 of the bytes 1, 2, 3 (sha256sum). */
export const sha256 = '039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81';

/** All that is read of a picture before it is decoded: a PNG's signature, 128 × 128 pixels, and its end. */
export const picture = new Uint8Array(
  Buffer.from('89504e470d0a1a0a' + '0000000d49484452000000800000008008020000004c5cf69c' + '0000000049454e44ae426082', 'hex'),
);
export const pictureDigest = createHash('sha256').update(picture).digest('hex');

export const model: Model = {
  name: 'emoji',
  object: 'model',
  family: 'sd1',
  resolution: 128,
  latent_factor: 8,
  default_steps: 25,
  default_guidance_scale: 4,
  default_sampler: 'ddim',
  files: [],
  license: 'MIT',
  description: 'for tests',
};

export const lora: LoraVersion = {
  name: 'style',
  object: 'lora',
  lora_id: newId('lora'),
  model: 'emoji',
  rank: 4,
  alpha: 4,
  trigger_words: [],
  license: null,
  training_id: null,
  diffusers: { size_bytes: 2, sha256 },
  size_bytes: 3,
  sha256,
  created_at: '2026-01-01T00:00:00.000Z',
};

/** An app of which every answer is held against its own description. */
export const heldApp = (services: Services) => holdToDocument(createApp(services));

/** The app over a bucket and queues in memory, with a model, a LoRA of tenant `alpha`, and keys of two tenants. */
export async function testApp() {
  const bucket = memoryBucket();
  const queues = memoryQueues();
  const logged: Record<string, unknown>[] = [];
  /** The line that each request has in any case. */
  const requests: Record<string, unknown>[] = [];
  const services = {
    bucket,
    queues,
    limits: memoryLimits(),
    pepper,
    origins: ['https://studio.example'],
    log: (line: Record<string, unknown>) => void (line.message === 'request' ? requests : logged).push(line),
  };
  const app = heldApp(services);

  /** A key of a tenant; of every scope, unless told. */
  async function keyOf(tenant: string, scopes: Scope[] = scopeSchema.options, expires_at: string | null = null) {
    return (await createApiKey(bucket, pepper, tenant, { name: null, scopes, expires_at })).key;
  }
  const alpha = await keyOf('alpha');
  const beta = await keyOf('beta');
  await putRecord(bucket, keys.model('emoji'), model);
  await bucket.put(keys.loraWeights('alpha', 'style', lora.lora_id), new Uint8Array([1, 2, 3]));
  await bucket.put(keys.loraDiffusers('alpha', 'style', lora.lora_id), new Uint8Array([4, 5]));
  await publishLora(bucket, 'alpha', lora);

  /** Sends a request as a tenant (by key) or nobody. `body` is sent as JSON, a string as it is. */
  async function call(method: string, path: string, body?: object | string, key: string | null = alpha) {
    return app.request(path, {
      method,
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  }

  /** Announces the picture. */
  async function announce(key = alpha): Promise<FileUpload> {
    const request = { name: 'a.png', content_type: 'image/png', size_bytes: picture.length, sha256: pictureDigest };
    return fileUploadSchema.parse(await (await call('POST', '/v1/files', request, key)).json());
  }

  async function upload(key = alpha): Promise<string> {
    const file = await announce(key);
    const { method, url, headers } = file.upload;
    await bucket.fetch(url, { method, headers, body: picture });
    return file.id;
  }

  /** Uploads bytes as a file of this type. */
  async function uploadBytes(bytes: Uint8Array<ArrayBuffer>, name: string, content_type: string, key = alpha): Promise<string> {
    const digest = createHash('sha256').update(bytes).digest('hex');
    const request = { name, content_type, size_bytes: bytes.length, sha256: digest };
    const file = fileUploadSchema.parse(await (await call('POST', '/v1/files', request, key)).json());
    await bucket.fetch(file.upload.url, { method: 'PUT', headers: file.upload.headers, body: bytes });
    return file.id;
  }

  return { app, services, bucket, queues, logged, requests, alpha, beta, keyOf, call, announce, upload, uploadBytes };
}
