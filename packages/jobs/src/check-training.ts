import { z } from 'zod';
import type { Bucket } from './bucket/port.ts';
import { estimateSchema, estimateTraining, parametersOf } from './estimate.ts';
import type { FileRecord } from './file.ts';
import { findingSchema } from './finding.ts';
import { idSeed } from './ids.ts';
import { headBytes, type PictureHeader, readPictureHeader, tailBytes } from './picture-header.ts';
import { preflight } from './preflight.ts';
import { settleTraining } from './settle-training.ts';
import { type ParsedTrainingRequest, settledTrainingRequestSchema } from './training-request.ts';
import { wantFiles, wantModel, wantStart } from './wanted.ts';

/** A training's request with the defaults filled in, and what can be told before it begins. */
export const trainingCheckSchema = z
  .object({ request: settledTrainingRequestSchema, findings: z.array(findingSchema), estimate: estimateSchema })
  .meta({ id: 'TrainingCheck' });
export type TrainingCheck = z.infer<typeof trainingCheckSchema>;

/** What a picture's file says of itself: null, that it is none; undefined where it does not say how large it is. */
type Seen = { record: FileRecord; header: PictureHeader | null | undefined };

/**
 * Settles a training's request and looks over its pictures as far as that can be done without decoding them.
 * @param id of the training; its seed follows from it
 * @throws RequestError `options_conflict`, `too_many_steps`, `unknown_model`, `unknown_file`, `file_not_uploaded`, `unknown_lora`,
 * `unknown_training`, `lora_mismatch`
 */
export async function checkTraining(
  bucket: Bucket,
  tenant: string,
  request: ParsedTrainingRequest,
  id: string,
): Promise<TrainingCheck> {
  const model = await wantModel(bucket, request.model);
  const settled = settleTraining(request, { resolution: model.resolution, seed: idSeed(id) });
  const places = (['files', 'prior_files'] as const).flatMap((list) =>
    request[list].map(({ file_id: id }, i) => ({ id, param: `${list}.${i}.file_id` })),
  );
  const look = async (record: FileRecord, key: string): Promise<Seen | undefined> => {
    const header = await headerOf(bucket, record, key);
    return header && { record, header: header.read };
  };
  const [seen] = await Promise.all([wantFiles(bucket, tenant, places, look), wantStart(bucket, tenant, request)]);
  const pictures = settled.files.map(({ file_id, caption, repeats }) => {
    const { record, header } = seen.get(file_id) ?? {};
    return {
      name: record?.name ?? file_id,
      caption,
      repeats,
      ...(record && { sha256: record.sha256 }),
      ...(header !== undefined && { header }),
    };
  });
  const sizes = { parameters: parametersOf(model), latentFactor: model.latent_factor };
  return { request: settled, findings: preflight({ request: settled, pictures }), estimate: estimateTraining(settled, sizes) };
}

/** Some files have previews and colour profiles before their size. */
const longestHead = 1024 * 1024;

async function headerOf(bucket: Bucket, { size_bytes: size }: FileRecord, key: string) {
  for (const wanted of [headBytes, longestHead]) {
    const head = await bucket.getBytes(key, { range: { start: 0, end: Math.min(size, wanted) - 1 } });
    if (head?.size !== size) return undefined;
    const tailStart = Math.max(0, size - tailBytes);
    const tail =
      size <= head.bytes.length
        ? head.bytes.subarray(tailStart)
        : (await bucket.getBytes(key, { range: { start: tailStart } }))?.bytes;
    const read = readPictureHeader(head.bytes, tail ?? new Uint8Array(), size);
    if (read !== undefined || size <= wanted) return { read };
  }
  return { read: undefined };
}
