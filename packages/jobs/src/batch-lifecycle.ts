import { type BatchRecord, type BatchRequest, batchRecordSchema, batchRequestSchema, isFinalBatch, sendTick } from './batch.ts';
import type { Bucket } from './bucket/port.ts';
import type { CreateServices } from './create.ts';
import { idTime, newId } from './ids.ts';
import { keys } from './keys.ts';
import { createRecord, listFolders, readRecord, updateRecord } from './record.ts';
import { RequestError } from './request-error.ts';
import { wantUploads } from './wanted.ts';

/**
 * Accepts a batch whose files are there: outbox entry, record, first tick. What is in the files is looked at by the ticks.
 * May be repeated with the same id and request, and then finishes what the first call left undone.
 * @throws RequestError `unknown_file`, `file_not_uploaded`, `wrong_file_type`; `id_taken` if the id belongs to another request
 */
export async function createBatch(
  { bucket, queues, report, trace }: CreateServices,
  tenant: string,
  request: BatchRequest,
  id: string = newId('batch'),
  retryOf: string | null = null,
): Promise<BatchRecord> {
  // A retry takes its lines from the batch before, whose files may be gone.
  if (retryOf === null) await wantBatchFiles(bucket, tenant, request);
  await bucket.put(keys.outboxEntry('batches', tenant, id), new Uint8Array());
  const created_at = new Date(idTime(id)).toISOString();
  const record: BatchRecord = {
    id,
    object: 'batch',
    status: 'validating',
    cancel_requested: false,
    created_at,
    started_at: null,
    finished_at: null,
    request,
    retry_of: retryOf,
    request_counts: { total: 0, queued: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 },
    error: null,
    trace: trace ?? null,
    errors: [],
    work: { images: 0, megapixel_steps: 0 },
    fanout: {
      tick: 0,
      ticked_at: created_at,
      idle: 0,
      chunks: 0,
      next: 0,
      active: [],
      settled: { succeeded: 0, failed: 0, canceled: 0 },
      over_budget: false,
      output_bytes: 0,
      errors_bytes: 0,
      archives: [],
    },
  };
  const created = await createRecord(bucket, keys.batchRecord(tenant, id), record);
  const batch = created ? record : ((await readBatch(bucket, tenant, id)) ?? record);
  if (batch.retry_of !== retryOf || JSON.stringify(batch.request) !== JSON.stringify(batchRequestSchema.parse(request))) {
    throw new RequestError('id_taken', `${id} was used for another request; want a new id, or the same request`, 'id');
  }
  if (!isFinalBatch(batch.status)) await sendTick(queues.batches, { kind: 'batch', tenant, id, tick: 0 }).catch(report);
  return batch;
}

/** @throws RequestError `unknown_file`, `file_not_uploaded`, `wrong_file_type` */
export async function wantBatchFiles(bucket: Bucket, tenant: string, request: BatchRequest): Promise<void> {
  const wanted = { input_file_id: 'application/jsonl', csv_file_id: 'text/csv' } as const;
  for (const param of ['input_file_id', 'csv_file_id'] as const) {
    const id = request[param];
    if (id === undefined) continue;
    await wantUploads(bucket, tenant, [{ id, param }], wanted[param]);
  }
}

/**
 * A new batch of the lines of an ended one that failed.
 * @throws RequestError `not_finished`, `nothing_to_retry`
 */
export async function retryBatch(
  services: CreateServices,
  tenant: string,
  batch: BatchRecord,
  id: string = newId('batch'),
): Promise<BatchRecord> {
  if (!isFinalBatch(batch.status)) {
    throw new RequestError('not_finished', `${batch.id} is still ${batch.status}; want one that has ended`, 'id');
  }
  if (batch.request_counts.failed === 0) throw new RequestError('nothing_to_retry', `no line of ${batch.id} failed`, 'id');
  return createBatch(services, tenant, batch.request, id, batch.id);
}

export async function readBatch(bucket: Bucket, tenant: string, id: string): Promise<BatchRecord | undefined> {
  return (await readRecord(bucket, keys.batchRecord(tenant, id), batchRecordSchema))?.record;
}

/** A page of a tenant's batches, newest first. `next` is the `after` of the next page. */
export async function listBatches(
  bucket: Bucket,
  tenant: string,
  page: { after?: string | undefined; limit: number },
): Promise<{ batches: BatchRecord[]; next: string | undefined }> {
  const { names, next } = await listFolders(bucket, keys.batches(tenant), page);
  const found = await Promise.all(names.map((id) => readBatch(bucket, tenant, id)));
  return { batches: found.filter((batch) => batch !== undefined), next };
}

/**
 * Asks a batch to stop: its next ticks cancel the jobs that are under way, and begin no others. Repeating it is no error.
 * @throws RequestError `already_finished`
 * @throws NoSuchRecord
 */
export async function cancelBatch(bucket: Bucket, tenant: string, id: string): Promise<BatchRecord> {
  return updateRecord(bucket, keys.batchRecord(tenant, id), batchRecordSchema, (batch) => {
    if (batch.status === 'canceled' || batch.cancel_requested) return undefined;
    if (isFinalBatch(batch.status)) throw new RequestError('already_finished', `${id} has already ${batch.status}`, 'id');
    const status = batch.status === 'running' ? 'canceling' : batch.status;
    return { ...batch, status, cancel_requested: true };
  });
}
