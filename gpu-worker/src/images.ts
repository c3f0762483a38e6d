import { createHash } from 'node:crypto';
import { encodePng, type Picture, type PictureRequest, type StartImage, version, type WeightedLora } from '@loraloom/engine';
import { type Bucket, type ImageRecord, type ImageRequest, images, keys, modelDigest, type Receipt } from '@loraloom/jobs';
import { type Attempt, attempt } from './attempt.ts';
import type { Loras } from './loras.ts';
import type { Models } from './models.ts';
import { contentRefused, refuseStartPicture } from './moderate.ts';
import { readMask, readPicture } from './pictures.ts';
import { withTexts } from './png.ts';
import { receiptTexts } from './receipt.ts';
import type { Services } from './services.ts';

type Output = NonNullable<ImageRecord['output']>;
type Made = Output['images'][number];
type Refused = NonNullable<Output['refused']>[number];

/** Makes the pictures of a job, in a batch with whatever else is being made, and writes them beside its record. */
export function imageHandler(services: Services, models: Models, loras: Loras) {
  return (job: { tenant: string; id: string }, stop: AbortSignal) =>
    attempt(services, images, job, stop, (begun) => makePictures(services, models, loras, begun));
}

async function makePictures(
  { bucket, moderator, pictureDays }: Services,
  models: Models,
  loras: Loras,
  { tenant, record, signal, report }: Attempt<ImageRecord>,
) {
  const { request, id } = record;
  const { batch, model } = await models.open(request.model);
  const model_digest = await modelDigest(model);
  const set: WeightedLora[] = [];
  for (const [i, asked] of request.loras.entries()) {
    const { weight, text_weight: textWeight = weight } = asked;
    set.push({ lora: await loras.open(tenant, asked, `loras.${i}.name`), weight, textWeight });
  }
  const start = await readStart(bucket, moderator, tenant, request);
  const { width, height, steps, guidance_scale: guidanceScale, sampler, prompt, negative_prompt: negativePrompt } = request;
  const seeds = Array.from({ length: request.n }, (_, i) => (request.seed + i) % 2 ** 32);
  const begun = performance.now();
  const done = seeds.map(() => 0);
  let total = steps * request.n;

  const make = async (index: number, seed: number, others: AbortSignal): Promise<Made | Refused> => {
    const wanted: PictureRequest = {
      prompt,
      negativePrompt,
      seed,
      loras: set,
      width,
      height,
      steps,
      guidanceScale,
      sampler,
      ...start?.wanted,
    };
    const run = batch.generate(wanted, others);
    let next = await run.next();
    for (; !next.done; next = await run.next()) {
      done[index] = next.value.step;
      total = next.value.steps * request.n;
      const step = done.reduce((sum, count) => sum + count, 0);
      const seconds = ((performance.now() - begun) / 1000 / step) * (total - step);
      await report({ step, total_steps: total, loss: null, seconds_left: Math.max(0, Math.round(seconds)) });
    }
    const refusal = await moderator?.look(next.value, 'output_picture');
    return refusal ? { index, seed, ...refusal } : write(index, seed, next.value);
  };

  const write = async (index: number, seed: number, picture: Picture): Promise<Made> => {
    const receipt: Receipt = {
      model: request.model,
      model_digest,
      loras: request.loras.map(({ sha256, ...asked }) => ({ ...asked, digest: sha256 })),
      seed,
      sampler,
      steps,
      guidance_scale: guidanceScale,
      width,
      height,
      prompt,
      negative_prompt: negativePrompt,
      ...start?.receipt,
      engine_version: version,
    };
    const png = withTexts(await encodePng(picture), receiptTexts(receipt));
    const key = keys.picture(tenant, id, index);
    await bucket.put(keys.receipt(tenant, id, index), Buffer.from(JSON.stringify(receipt)), { contentType: 'application/json' });
    await bucket.put(key, png, { contentType: 'image/png' });
    const sha256 = createHash('sha256').update(png).digest('hex');
    return { index, key, seed, width: picture.width, height: picture.height, content_type: 'image/png', sha256, receipt };
  };

  const output = outputOf(await together(seeds, signal, make));
  // S3 removes objects in the night behind their last day: never before this.
  const expires_at = pictureDays && new Date(Date.now() + pictureDays * 24 * 60 * 60 * 1000).toISOString();
  return {
    output: { ...output, ...(expires_at ? { expires_at } : {}) },
    progress: { step: total, total_steps: total, loss: null, seconds_left: 0 },
  };
}

/** What was made, and what was refused. @throws Failure `content_refused` if that is all of it */
function outputOf(made: readonly (Made | Refused)[]): Output {
  const images = made.filter((picture) => 'key' in picture);
  const refused = made.filter((picture) => 'category' in picture);
  const [first] = refused;
  if (first && images.length === 0) {
    const { category, score, threshold, stage } = first;
    throw contentRefused('every picture that was made', null, { category, score, threshold, stage });
  }
  return { images, ...(first ? { refused } : {}) };
}

/** The picture that the request starts from, and what its receipt says of it. */
async function readStart(
  bucket: Bucket,
  moderator: Services['moderator'],
  tenant: string,
  { image, mask, image_strength: strength = 1, width, height }: ImageRequest,
): Promise<{ wanted: { image: StartImage }; receipt: Pick<Receipt, 'image'> } | undefined> {
  if (image === undefined) return undefined;
  const picture = await readPicture(bucket, tenant, image, 'image', width, height);
  await refuseStartPicture(moderator, picture);
  const sha256 = createHash('sha256').update(picture.data).digest('hex');
  const from = { file_id: image, sha256, strength };
  if (mask === undefined) return { wanted: { image: { picture, strength } }, receipt: { image: from } };
  const shares = await readMask(bucket, tenant, mask, 'mask', width, height);
  const mask_sha256 = createHash('sha256').update(shares).digest('hex');
  return {
    wanted: { image: { picture, strength, mask: shares } },
    receipt: { image: { ...from, mask_file_id: mask, mask_sha256 } },
  };
}

/** Runs `work` for each item at once; when one fails the others are stopped, and have stopped before the failure is passed on. */
async function together<T, R>(
  items: readonly T[],
  signal: AbortSignal,
  work: (index: number, item: T, signal: AbortSignal) => Promise<R>,
): Promise<R[]> {
  const failed = new AbortController();
  const all = AbortSignal.any([signal, failed.signal]);
  const running = items.map((item, i) =>
    work(i, item, all).catch((error: unknown) => {
      failed.abort(error);
      throw error;
    }),
  );
  await Promise.allSettled(running);
  // The first to fail, not one of those stopped for its sake.
  if (failed.signal.aborted) throw failed.signal.reason;
  return Promise.all(running);
}
