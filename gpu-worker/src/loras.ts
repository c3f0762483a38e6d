import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InputError, type Lora, readLora } from '@loraloom/engine';
import { type Bucket, findLora, keys, parseLoraReference, type SettledLora } from '@loraloom/jobs';
import { LRUCache } from 'lru-cache';
import { Failure } from './failure.ts';
import type { Services } from './services.ts';

/** Opens LoRAs of the bucket. */
export interface Loras {
  /**
   * The version that an accepted request was settled on.
   * @param tenant who asks; the LoRA is another's if its name says so
   * @throws Failure `lora_damaged` if the file is not the one that was registered, or what `readLora` says of it
   */
  open(tenant: string, lora: Pick<SettledLora, 'name' | 'lora_id' | 'sha256'>, param: string): Promise<Lora>;
  /** The version that a reference stands for now. @throws Failure `unknown_lora`, and as `open` */
  find(tenant: string, reference: string, param: string): Promise<Lora>;
}

/** Of numbers in memory, which are twice as many bytes as in most files. */
const keptBytes = 2 ** 30;

/** LoRAs of the bucket, parsed once for each content (SHA-256), the least recently used forgotten beyond 1 GiB. */
export function bucketLoras(bucket: Bucket, metrics?: Services['metrics']): Loras {
  // Promises, so that whoever asks while a LoRA is being read waits for the same reading.
  const kept = new LRUCache<string, Promise<Lora>>({ maxSize: keptBytes });
  const open: Loras['open'] = async (tenant, { name: reference, lora_id, sha256 }, param) => {
    const { owner = tenant, name } = parseLoraReference(reference);
    const before = kept.get(sha256);
    metrics?.lookup('loras', before !== undefined);
    if (before) return before;
    const key = keys.loraWeights(owner, name, lora_id);
    const opening = readRegistered(bucket, key, sha256).catch((error) => {
      if (!(error instanceof InputError)) throw error;
      throw new Failure(error.code, `${reference}: ${error.message}`, param, { cause: error });
    });
    kept.set(sha256, opening, { size: 1 });
    opening.then(
      (lora) => kept.set(sha256, opening, { size: bytesOf(lora) }),
      () => kept.delete(sha256),
    );
    return opening;
  };
  return {
    open,
    async find(tenant, reference, param) {
      const found = await findLora(bucket, tenant, reference);
      if (!found) throw new Failure('unknown_lora', `there is no LoRA ${reference}; GET /v1/loras lists those there are`, param);
      const { owner, version } = found;
      return open(owner, version, param);
    },
  };
}

function bytesOf({ modules }: Lora): number {
  let bytes = 1;
  for (const { down, up } of modules.values()) bytes += down.byteLength + up.byteLength;
  return bytes;
}

async function readRegistered(bucket: Bucket, key: string, sha256: string): Promise<Lora> {
  const lora = await readStored(bucket, key, (bytes) => {
    if (createHash('sha256').update(bytes).digest('hex') !== sha256)
      throw new InputError('lora_damaged', 'its file is not the one that was registered; import or train it again');
  });
  if (!lora) throw new Error(`${key} is missing, though its record is there`);
  return lora;
}

/** A LoRA's file of the bucket, parsed; undefined if there is none. @param check may throw at its bytes */
export async function readStored(
  bucket: Bucket,
  key: string,
  check: (bytes: Uint8Array) => void = () => undefined,
): Promise<Lora | undefined> {
  const found = await bucket.getBytes(key);
  if (!found) return undefined;
  check(found.bytes);
  const folder = await mkdtemp(join(tmpdir(), 'loraloom-lora-'));
  try {
    const path = join(folder, 'lora.safetensors');
    await writeFile(path, found.bytes);
    return await readLora(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
