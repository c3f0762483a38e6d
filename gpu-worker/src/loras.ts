import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Lora, readLora as parseLora } from '@loraloom/engine';
import { type Bucket, keys, readLora } from '@loraloom/jobs';
import { LRUCache } from 'lru-cache';
import { Failure } from './failure.ts';

/** Finds a tenant's LoRAs by name, their latest version. */
export interface Loras {
  /** @throws Failure `unknown_lora` */
  find(tenant: string, name: string, param: string): Promise<Lora>;
}

const keptBytes = 512 * 2 ** 20;

/** LoRAs of the bucket, parsed once for each content (SHA-256), the least recently used forgotten beyond 512 MiB. */
export function bucketLoras(bucket: Bucket): Loras {
  // Promises, so that whoever asks while a LoRA is being read waits for the same reading.
  const kept = new LRUCache<string, Promise<Lora>>({ maxSize: keptBytes });
  return {
    async find(tenant, name, param) {
      const record = await readLora(bucket, tenant, name);
      if (!record) throw new Failure('unknown_lora', `there is no LoRA ${name}; GET /v1/loras lists those there are`, param);
      const { sha256, lora_id, size_bytes } = record;
      const key = keys.loraWeights(tenant, name, lora_id);
      const lora =
        kept.get(sha256) ??
        readStored(bucket, key).then((found) => {
          if (!found) throw new Error(`${key} is missing, though its record is there`);
          return found;
        });
      kept.set(sha256, lora, { size: size_bytes });
      lora.catch(() => kept.delete(sha256));
      return lora;
    },
  };
}

/** A LoRA's file of the bucket, parsed; undefined if there is none. */
export async function readStored(bucket: Bucket, key: string): Promise<Lora | undefined> {
  const found = await bucket.getBytes(key);
  if (!found) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'loraloom-lora-'));
  try {
    const path = join(folder, 'lora.safetensors');
    await writeFile(path, found.bytes);
    return await parseLora(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
