import type { Bucket } from './bucket/port.ts';
import { type FileRecord, fileRecordSchema } from './file.ts';
import { keys } from './keys.ts';
import { readJob } from './lifecycle.ts';
import { type Model, readModel } from './model.ts';
import { readRecord } from './record.ts';
import { type FoundLora, findLora } from './registry.ts';
import { RequestError } from './request-error.ts';
import { trainings } from './training.ts';
import type { ParsedTrainingRequest } from './training-request.ts';

// What a request names must be there, and the caller's; each of these throws a RequestError with the field's path where it is not.

export async function wantModel(bucket: Bucket, name: string): Promise<Model> {
  const model = await readModel(bucket, name);
  if (!model) throw new RequestError('unknown_model', `no model named ${name}; GET /v1/models lists them`, 'model');
  return model;
}

/** The version that a reference stands for now, and whose it is. */
export async function wantLora(
  bucket: Bucket,
  tenant: string,
  reference: string,
  model: string,
  param: string,
): Promise<FoundLora> {
  const lora = await findLora(bucket, tenant, reference);
  if (!lora) throw new RequestError('unknown_lora', `no LoRA ${reference}; GET /v1/loras lists yours`, param);
  const { model: base } = lora.version;
  if (base !== model)
    throw new RequestError('lora_mismatch', `LoRA ${reference} was made for ${base}; want model ${base}`, param);
  return lora;
}

/** What a training goes on from, if from anything: it is of the same base and rank. */
export async function wantStart(
  bucket: Bucket,
  tenant: string,
  { continue_from: start, model, rank }: ParsedTrainingRequest,
): Promise<void> {
  if (!start) return;
  if ('lora' in start) {
    const { version } = await wantLora(bucket, tenant, start.lora, model, 'continue_from.lora');
    wantRank(`LoRA ${start.lora}`, version.rank, rank);
    return;
  }
  const { training_id: id } = start;
  const training = await readJob(bucket, trainings, tenant, id);
  if (!training) throw new RequestError('unknown_training', `no training ${id}`, 'continue_from.training_id');
  const { model: base, rank: had } = training.request;
  if (base !== model) {
    const message = `training ${id} is one of ${base}; want model ${base}`;
    throw new RequestError('lora_mismatch', message, 'continue_from.training_id');
  }
  wantRank(`training ${id}`, had, rank);
}

function wantRank(of: string, had: number, rank: number) {
  if (had !== rank) throw new RequestError('lora_mismatch', `${of} has rank ${had}, not ${rank}; want rank ${had}`, 'rank');
}

/** What the content types of wanted files begin with. */
type FileType = 'image/' | 'application/jsonl' | 'text/csv';

/** How many files are looked up at a time: a thousand at once would exhaust the sockets of a small function. */
const lookups = 32;

/**
 * Files of a type that are there with all of their bytes.
 * @param look what else is wanted of a file, read while at it; undefined says that its bytes are not there
 * @returns by id
 */
export async function wantFiles<T>(
  bucket: Bucket,
  tenant: string,
  files: readonly { id: string; param: string }[],
  look: (record: FileRecord, key: string) => Promise<T | undefined>,
  type: FileType = 'image/',
): Promise<Map<string, T>> {
  const firstUse = new Map<string, string>();
  for (const { id, param } of files) if (!firstUse.has(id)) firstUse.set(id, param);
  const found = new Map<string, T>();
  const left = [...firstUse];
  const worker = async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      const [id, param] = next;
      const stored = await readRecord(bucket, keys.fileRecord(tenant, id), fileRecordSchema);
      if (!stored) throw new RequestError('unknown_file', `no file ${id}`, param);
      const { content_type } = stored.record;
      if (!content_type.startsWith(type)) {
        if (type === 'image/') throw new RequestError('not_a_picture', `${id} is ${content_type}; want a picture`, param);
        throw new RequestError('wrong_file_type', `${id} is ${content_type}; want ${type}`, param);
      }
      const seen = await look(stored.record, keys.fileContent(tenant, id));
      if (seen === undefined) {
        const message = `the ${stored.record.size_bytes} bytes of ${id} have not been uploaded; PUT them to its upload URL first`;
        throw new RequestError('file_not_uploaded', message, param);
      }
      found.set(id, seen);
    }
  };
  await Promise.all(Array.from({ length: lookups }, worker));
  return found;
}

/** Pictures that are there, nothing more being wanted of them. */
export const wantPictures = (bucket: Bucket, tenant: string, files: readonly { id: string; param: string }[]) =>
  wantUploads(bucket, tenant, files, 'image/');

/** As wantFiles, nothing more being wanted of them. */
export async function wantUploads(
  bucket: Bucket,
  tenant: string,
  files: readonly { id: string; param: string }[],
  type: FileType,
): Promise<void> {
  const look = async ({ size_bytes }: FileRecord, key: string) => (await bucket.head(key))?.size === size_bytes || undefined;
  await wantFiles(bucket, tenant, files, look, type);
}
