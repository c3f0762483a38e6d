import {
  type BatchRecord,
  type Bucket,
  batchMessageSchema,
  batchRequestSchema,
  beginAttempt,
  createBatch,
  createFile,
  type FileRequest,
  images,
  isFinalBatch,
  type JobQueues,
  keys,
  type Limits,
  messageSchema,
  publishLora,
  putRecord,
  type Queue,
  readBatch,
  sweepOutbox,
  updateAttempt,
} from '@loraloom/jobs';
import { memoryBucket } from '@loraloom/jobs/bucket/memory';
import { memoryLimits } from '@loraloom/jobs/limits/memory';
import { tenantLimitsSchema } from '../limits.ts';
import { lora, model } from '../test-app.ts';
import type { BatchServices } from './services.ts';
import { tick } from './tick.ts';

export const tenant = 'alpha';

/** A queue without delays that hands out its messages in a random order, and some of them twice; for tests. */
export function unrulyQueue(random: () => number, twice: number): Queue & { size(): number } {
  const held = new Map<string, string>();
  let receipts = 0;
  return {
    size: () => held.size,
    async send(body) {
      held.set(`${++receipts}`, body);
    },
    async receive() {
      const all = [...held];
      const [receipt, body] = all[Math.floor(random() * all.length)] ?? [];
      if (receipt === undefined || body === undefined) return [];
      if (random() < twice) held.set(`${++receipts}`, body);
      return [{ receipt, body, receiveCount: 1 }];
    },
    async extend() {},
    waiting: async () => held.size,
    async delete(receipt) {
      held.delete(receipt);
    },
  };
}

/** 0 ≤ x < 1, the same numbers every time. */
export function seeded(seed: number): () => number {
  let state = seed * 2 + 1;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

/** The process ends here. */
export class Killed extends Error {}

/** The same ports, but each call of them asks `trip` before it does anything, and again when it has done it. */
export function mortal<Services extends { bucket: Bucket; queues: JobQueues; limits?: Limits }>(
  services: Services,
  trip: () => void,
): Services {
  const wrap = <Port extends object>(port: Port): Port =>
    new Proxy(port, {
      get(target, name) {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== 'function') return method;
        return async (...given: unknown[]) => {
          trip();
          const answer: unknown = await Reflect.apply(method, target, given);
          trip();
          return answer;
        };
      },
    });
  const { trainings, images: pictures, batches, webhooks } = services.queues;
  return {
    ...services,
    bucket: wrap(services.bucket),
    ...(services.limits ? { limits: wrap(services.limits) } : {}),
    queues: { trainings: wrap(trainings), images: wrap(pictures), batches: wrap(batches), webhooks: wrap(webhooks) },
  };
}

/** A bucket with a model and a LoRA, queues, and an engine that makes pictures of nothing: their bytes are their prompt. */
export async function batchWorld({ random = seeded(1), twice = 0, allowed = {} } = {}) {
  const bucket = memoryBucket();
  await putRecord(bucket, keys.model('emoji'), model);
  await publishLora(bucket, tenant, lora);
  const queue = () => unrulyQueue(random, twice);
  const queues = { trainings: queue(), images: queue(), batches: queue(), webhooks: queue() };
  const logged: Record<string, unknown>[] = [];
  const limits = memoryLimits();
  await putRecord(bucket, keys.limits(tenant), tenantLimitsSchema.parse({ unfinished_jobs: 2000, ...allowed }));
  const services = {
    bucket,
    queues,
    limits,
    sleep: async () => undefined,
    log: (line: Record<string, unknown>) => void logged.push(line),
  };
  /** How often a picture was made, by its prompt. */
  const made = new Map<string, number>();

  async function upload(content_type: FileRequest['content_type'], text: string): Promise<string> {
    const bytes = new TextEncoder().encode(text);
    const { id } = await createFile(bucket, tenant, {
      name: 'a',
      content_type,
      size_bytes: bytes.length,
      sha256: '0'.repeat(64),
    });
    await bucket.put(keys.fileContent(tenant, id), bytes);
    return id;
  }

  async function create(request: object, to: BatchServices = services, id?: string): Promise<BatchRecord> {
    const report = (error: unknown) => {
      throw error;
    };
    return createBatch({ ...to, report }, tenant, batchRequestSchema.parse(request), id);
  }

  /** Makes the pictures of one message of the queue, or fails if the prompt is `bad`. @returns false if there was none */
  async function engine(): Promise<boolean> {
    const [message] = await queues.images.receive();
    if (!message) return false;
    const { id } = messageSchema.parse(JSON.parse(message.body));
    const begun = await beginAttempt(bucket, images, tenant, id);
    if (begun.status === 'running') {
      const { prompt, n, width, height, seed } = begun.request;
      made.set(prompt, (made.get(prompt) ?? 0) + 1);
      const error = { code: 'bad', message: 'a bad prompt', param: 'prompt' };
      const pictures = Array.from({ length: n }, async (_, index) => {
        const key = keys.picture(tenant, id, index);
        await bucket.put(key, new TextEncoder().encode(`${prompt} ${index}`));
        const { model: base, steps, guidance_scale, sampler, negative_prompt } = begun.request;
        const loras = begun.request.loras.map(({ sha256: digest, ...asked }) => ({ ...asked, digest }));
        const receipt = {
          model: base,
          model_digest: '',
          loras,
          seed,
          sampler,
          steps,
          guidance_scale,
          width,
          height,
          prompt,
          negative_prompt,
          engine_version: 'stub',
        };
        return { index, key, seed: seed + index, width, height, content_type: 'image/png' as const, sha256: '', receipt };
      });
      const output = { images: await Promise.all(pictures) };
      const finished_at = new Date().toISOString();
      await updateAttempt(bucket, images, tenant, begun, (job) =>
        prompt === 'bad'
          ? { ...job, status: 'failed', error, finished_at }
          : { ...job, status: 'succeeded', output, finished_at },
      );
    }
    await queues.images.delete(message.receipt);
    return true;
  }

  /** Handles one message of the batches' queue. A tick that is killed leaves it. @returns false if there was none */
  async function step(to: BatchServices = services): Promise<boolean> {
    const [message] = await queues.batches.receive();
    if (!message) return false;
    try {
      await tick(to, batchMessageSchema.parse(JSON.parse(message.body)));
      await queues.batches.delete(message.receipt);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
    return true;
  }

  /** Carries a batch to its end, and on until no message is left; the outbox is swept now and then. */
  async function drain(id: string, to: BatchServices = services): Promise<BatchRecord> {
    for (let quiet = 0, rounds = 0; quiet < 3; rounds++) {
      if (rounds > 1000) throw new Error(`the batch does not end: ${JSON.stringify(await readBatch(bucket, tenant, id))}`);
      const moved = await step(to);
      while (await engine());
      if (moved && rounds % 10 > 0) continue;
      const batch = await readBatch(bucket, tenant, id);
      quiet = !moved && batch && isFinalBatch(batch.status) ? quiet + 1 : 0;
      await sweepOutbox(bucket, queues, { olderThanSeconds: -1, now: Date.now() + 24 * 3600_000 });
    }
    const batch = await readBatch(bucket, tenant, id);
    if (!batch) throw new Error('no batch');
    return batch;
  }

  async function textOf(key: string): Promise<string> {
    const found = await bucket.getBytes(key);
    return found ? new TextDecoder().decode(found.bytes) : '';
  }

  return { bucket, queues, limits, services, logged, made, upload, create, engine, step, drain, textOf };
}
export type BatchWorld = Awaited<ReturnType<typeof batchWorld>>;
