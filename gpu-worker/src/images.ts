import { createHash } from 'node:crypto';
import { encodePng, generate, version, type WeightedLora } from '@loraloom/engine';
import { type ImageRecord, images, keys } from '@loraloom/jobs';
import { type Attempt, attempt } from './attempt.ts';
import type { Loras } from './loras.ts';
import type { Models } from './models.ts';
import type { Services } from './services.ts';

/** Pictures made together; more in a batch cost memory and gain little. */
const batch = 4;

/** Makes the pictures of a job and writes them beside its record. */
export function imageHandler(services: Services, models: Models, loras: Loras) {
  return (job: { tenant: string; id: string }, stop: AbortSignal) =>
    attempt(services, images, job, stop, (begun) => makePictures(services, models, loras, begun));
}

async function makePictures(
  { bucket }: Services,
  models: Models,
  loras: Loras,
  { tenant, record, signal, report }: Attempt<ImageRecord>,
) {
  const { request, id } = record;
  const { pipeline, digest } = await models.open(request.model);
  const set: WeightedLora[] = [];
  for (const [i, { name, weight }] of request.loras.entries())
    set.push({ lora: await loras.find(tenant, name, `loras.${i}.name`), weight });
  const seeds = Array.from({ length: request.n }, (_, i) => (request.seed + i) % 2 ** 32);
  const made: NonNullable<ImageRecord['output']>['images'] = [];
  const batches = Math.ceil(request.n / batch);
  const begun = performance.now();
  let done = 0;
  let totalSteps = request.steps * batches;
  for (let first = 0; first < request.n; first += batch) {
    const prompts = seeds
      .slice(first, first + batch)
      .map((seed) => ({ prompt: request.prompt, negativePrompt: request.negative_prompt, seed, loras: set }));
    const { width, height, steps, guidance_scale: guidanceScale, sampler } = request;
    const run = generate(pipeline, { prompts, width, height, steps, guidanceScale, sampler }, signal);
    let next = await run.next();
    for (; !next.done; next = await run.next()) {
      done++;
      totalSteps = next.value.steps * batches;
      const seconds = ((performance.now() - begun) / 1000 / done) * (totalSteps - done);
      await report({ step: done, total_steps: totalSteps, loss: null, seconds_left: Math.max(0, Math.round(seconds)) });
    }
    for (const [i, picture] of next.value.entries()) {
      const index = first + i;
      const png = await encodePng(picture);
      const key = keys.picture(tenant, id, index);
      await bucket.put(key, png, { contentType: 'image/png' });
      made.push({
        index,
        key,
        seed: seeds[index] ?? 0,
        width: picture.width,
        height: picture.height,
        content_type: 'image/png',
        sha256: createHash('sha256').update(png).digest('hex'),
        receipt: {
          model: request.model,
          model_digest: digest,
          loras: request.loras.map(({ name, weight }, j) => ({ name, weight, digest: set[j]?.lora.digest ?? '' })),
          seed: seeds[index] ?? 0,
          sampler,
          steps,
          guidance_scale: guidanceScale,
          prompt: request.prompt,
          negative_prompt: request.negative_prompt,
          engine_version: version,
        },
      });
    }
  }
  return { output: { images: made }, progress: { step: totalSteps, total_steps: totalSteps, loss: null, seconds_left: 0 } };
}
