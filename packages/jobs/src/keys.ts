import { z } from 'zod';

/** Who owns an object; `local` on one machine. */
export const tenantSchema = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'want 1 to 63 of a-z 0-9 _ -');

/** Names of LoRAs and of base models: one path segment, never `.` or `..`, since the first character is a letter or digit. */
export const nameSchema = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'want 1 to 63 of a-z 0-9 . _ -');

export type JobFolder = 'trainings' | 'images';
/** Queues, and what of theirs the outbox may hold: messages of jobs, ticks of batches, ends that a webhook waits for. */
export type QueueName = JobFolder | 'batches' | 'webhooks';

/**
 * The layout of the bucket; nothing else spells a key. Every part is checked by its schema before it comes here.
 *
 * ```
 * tenants/{tenant}/files/{file_id}/record.json, content
 * tenants/{tenant}/trainings/{id}/request.json, record.json, checkpoint.safetensors (all that a resumed training needs)
 * tenants/{tenant}/trainings/{id}/checkpoints/{step}.safetensors, samples/{step}-{index}.png, events/{attempt}-{part}.ndjson
 * tenants/{tenant}/images/{id}/request.json, record.json
 * tenants/{tenant}/loras/{name}/record.json, {lora_id}.json, {lora_id}.safetensors, {lora_id}.diffusers.safetensors, cover/
 * pictures/{tenant}/{image_id}/{index}.png, {index}.json   apart, since they may expire
 * pictures/{tenant}/{batch_id}/{archive}.zip
 * tenants/{tenant}/batches/{id}/record.json, lines/{chunk}.jsonl, results/{chunk}.json, output.jsonl, errors.jsonl
 * tenants/{tenant}/deliveries/{id}/record.json
 * models/{name}/model.json and the diffusers folder beside it
 * paces/{folder}/{worker}.json             how fast a worker is, see pace.ts
 * tenants/{tenant}/limits.json           what the tenant may use, where it is not the default; see functions
 * keys/{hash}.json                       an API key by its hash, to know its bearer; see functions
 * keys/{tenant}/{id}/key.json            the same by its id, to list and to revoke it
 * webhooks/{tenant}.json                 the secret that a tenant's webhooks are signed with
 * idempotency/{folder}/{tenant}/{hash}.json   the id that a caller's own key stands for, see idempotency.ts; expires
 * audit/entries/{tenant}/{day}/{id}.ndjson, audit/days/{tenant}/{day}.ndjson   who asked for what, see audit.ts; expires
 * outbox/{queue}/{tenant}/{id}           a message that may not have been sent yet, see outbox.ts
 * ```
 */
export const keys = {
  files: (tenant: string) => `tenants/${tenant}/files/`,
  fileRecord: (tenant: string, id: string) => `tenants/${tenant}/files/${id}/record.json`,
  fileContent: (tenant: string, id: string) => `tenants/${tenant}/files/${id}/content`,

  jobs: (folder: JobFolder, tenant: string) => `tenants/${tenant}/${folder}/`,
  jobRequest: (folder: JobFolder, tenant: string, id: string) => `tenants/${tenant}/${folder}/${id}/request.json`,
  jobRecord: (folder: JobFolder, tenant: string, id: string) => `tenants/${tenant}/${folder}/${id}/record.json`,
  checkpoint: (tenant: string, trainingId: string) => `tenants/${tenant}/trainings/${trainingId}/checkpoint.safetensors`,
  checkpointLora: (tenant: string, trainingId: string, step: number) =>
    `tenants/${tenant}/trainings/${trainingId}/checkpoints/${padded(step)}.safetensors`,
  sample: (tenant: string, trainingId: string, step: number, index: number) =>
    `tenants/${tenant}/trainings/${trainingId}/samples/${padded(step)}-${index}.png`,
  events: (tenant: string, trainingId: string) => `tenants/${tenant}/trainings/${trainingId}/events/`,
  eventsPart: (tenant: string, trainingId: string, attempt: number, part: number) =>
    `tenants/${tenant}/trainings/${trainingId}/events/${padded(attempt)}-${padded(part)}.ndjson`,
  picture: (tenant: string, imageId: string, index: number) => `pictures/${tenant}/${imageId}/${index}.png`,
  receipt: (tenant: string, imageId: string, index: number) => `pictures/${tenant}/${imageId}/${index}.json`,

  loras: (tenant: string) => `tenants/${tenant}/loras/`,
  loraRecord: (tenant: string, name: string) => `tenants/${tenant}/loras/${name}/record.json`,
  loraVersion: (tenant: string, name: string, loraId: string) => `tenants/${tenant}/loras/${name}/${loraId}.json`,
  loraWeights: (tenant: string, name: string, loraId: string) => `tenants/${tenant}/loras/${name}/${loraId}.safetensors`,
  loraDiffusers: (tenant: string, name: string, loraId: string) =>
    `tenants/${tenant}/loras/${name}/${loraId}.diffusers.safetensors`,
  loraCover: (tenant: string, name: string, source: string) => `tenants/${tenant}/loras/${name}/cover/${source}`,

  batches: (tenant: string) => `tenants/${tenant}/batches/`,
  batchRecord: (tenant: string, id: string) => `tenants/${tenant}/batches/${id}/record.json`,
  batchLines: (tenant: string, id: string, chunk: number) => `tenants/${tenant}/batches/${id}/lines/${chunk}.jsonl`,
  batchResults: (tenant: string, id: string, chunk: number) => `tenants/${tenant}/batches/${id}/results/${chunk}.json`,
  batchOutput: (tenant: string, id: string) => `tenants/${tenant}/batches/${id}/output.jsonl`,
  batchErrors: (tenant: string, id: string) => `tenants/${tenant}/batches/${id}/errors.jsonl`,
  batchArchive: (tenant: string, id: string, archive: number) => `pictures/${tenant}/${id}/${archive}.zip`,

  deliveries: (tenant: string) => `tenants/${tenant}/deliveries/`,
  deliveryRecord: (tenant: string, id: string) => `tenants/${tenant}/deliveries/${id}/record.json`,
  webhookSecret: (tenant: string) => `webhooks/${tenant}.json`,

  models: () => 'models/',
  model: (name: string) => `models/${name}/model.json`,
  modelFile: (name: string, path: string) => `models/${name}/${path}`,

  everyApiKey: () => 'keys/',
  paces: (folder: JobFolder) => `paces/${folder}/`,
  pace: (folder: JobFolder, worker: string) => `paces/${folder}/${worker}.json`,

  limits: (tenant: string) => `tenants/${tenant}/limits.json`,

  // A tenant's name is shorter than a hash: neither can be taken for the other.
  apiKey: (hash: string) => `keys/${hash}.json`,
  apiKeys: (tenant: string) => `keys/${tenant}/`,
  apiKeyOf: (tenant: string, id: string) => `keys/${tenant}/${id}/key.json`,

  idempotency: (tenant: string, folder: JobFolder | 'batches', hash: string) => `idempotency/${folder}/${tenant}/${hash}.json`,

  auditTenants: () => 'audit/entries/',
  auditDays: (tenant: string) => `audit/entries/${tenant}/`,
  auditEntries: (tenant: string, day: string) => `audit/entries/${tenant}/${day}/`,
  auditEntry: (tenant: string, day: string, id: string) => `audit/entries/${tenant}/${day}/${id}.ndjson`,
  auditDay: (tenant: string, day: string) => `audit/days/${tenant}/${day}.ndjson`,

  outbox: () => 'outbox/',
  outboxEntry: (queue: QueueName, tenant: string, id: string) => `outbox/${queue}/${tenant}/${id}`,
};

/** So that keys sort as their numbers do. */
const padded = (n: number) => `${n}`.padStart(6, '0');
