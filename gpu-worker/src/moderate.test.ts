import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodePicture, type Picture } from '@loraloom/engine';
import {
  createFile,
  createImage,
  createTraining,
  type ImageRequestInput,
  imageRequestSchema,
  images,
  keys,
  putRecord,
  readJob,
  trainingRequestSchema,
  trainings,
} from '@loraloom/jobs';
import { memoryBucket } from '@loraloom/jobs/bucket/memory';
import { memoryQueues } from '@loraloom/jobs/queue/memory';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { imageHandler } from './images.ts';
import { bucketLoras } from './loras.ts';
import { bucketModels } from './models.ts';
import { type PictureModerator, pictureModerator } from './moderate.ts';
import type { Services } from './services.ts';
import { trainingHandler } from './training.ts';
import { openPictures } from './training-pictures.ts';

const bytesOf = (path: string) => new Uint8Array(readFileSync(new URL(`../../packages/${path}`, import.meta.url)));
const tiny = fileURLToPath(new URL('../../packages/engine/fixtures/sd-tiny/model/', import.meta.url));
const styleFolder = new URL('../../packages/emoji-base/style-ink/', import.meta.url);
const styles = readdirSync(styleFolder).filter((name) => name.endsWith('.png'));
// Models are opened, and pictures drawn.
vi.setConfig({ testTimeout: 120_000 });
const never = new AbortController().signal;
const tenant = 'acme';
const usual = pictureModerator({ training_picture: 0.7, start_picture: 0.7, output_picture: 0.7 });

const refusal = { category: 'sexual', score: 0.9, threshold: 0.7, stage: 'output_picture' } as const;
let services: Services;
let models: ReturnType<typeof bucketModels>;

beforeAll(async () => {
  services = {
    bucket: memoryBucket(),
    queues: memoryQueues(),
    modelsFolder: await mkdtemp(join(tmpdir(), 'loraloom-models-')),
    provider: 'cpu',
    slots: 4,
    visibilitySeconds: 30,
    maxVisibilitySeconds: 41_400,
    graceSeconds: 0,
    moderator: usual,
    log: () => undefined,
  };
  models = bucketModels(services);
  const files = [];
  for (const path of readdirSync(tiny, { recursive: true, encoding: 'utf8' }).filter((name) => /\.\w+$/.test(name))) {
    const bytes = new Uint8Array(readFileSync(join(tiny, path)));
    await services.bucket.put(keys.modelFile('tiny', path), bytes);
    files.push({ path, size_bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
  }
  const defaults = { default_steps: 2, default_guidance_scale: 2, default_sampler: 'ddim' as const };
  const model = { name: 'tiny', object: 'model' as const, family: 'sd1', resolution: 64, latent_factor: 4, ...defaults };
  await putRecord(services.bucket, keys.model('tiny'), { ...model, files, license: 'MIT', description: 'random weights' });
});
afterAll(async () => {
  await models.close();
  await usual.close();
  await rm(services.modelsFolder, { recursive: true });
});

const toServices = () => ({ ...services, report: (error: unknown) => Promise.reject(error) });

async function upload(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const request = { name: 'a.png', content_type: 'image/png' as const, size_bytes: bytes.length, sha256 };
  const { id } = await createFile(services.bucket, tenant, request);
  await services.bucket.put(keys.fileContent(tenant, id), bytes);
  return id;
}

async function train(pictures: Uint8Array<ArrayBuffer>[]) {
  const files = await Promise.all(pictures.map(async (bytes) => ({ file_id: await upload(bytes), caption: 'a' })));
  const request = trainingRequestSchema.parse({ model: 'tiny', name: 'style', files, rank: 2, steps: 1, batch_size: 1 });
  const { id } = await createTraining(toServices(), tenant, request);
  await trainingHandler(services, models, bucketLoras(services.bucket))({ tenant, id }, never);
  return { files, job: await readJob(services.bucket, trainings, tenant, id) };
}

async function draw(request: Partial<ImageRequestInput>, given: Partial<Services> = {}) {
  const asked = imageRequestSchema.parse({ model: 'tiny', prompt: 'a cat', seed: 1, ...request });
  const { id } = await createImage(toServices(), tenant, asked);
  await imageHandler({ ...services, ...given }, models, bucketLoras(services.bucket))({ tenant, id }, never);
  const kept = await services.bucket.list(`pictures/${tenant}/${id}/`);
  return {
    job: await readJob(services.bucket, images, tenant, id),
    pictures: kept.keys.map(({ key }) => key).filter((key) => key.endsWith('.png')),
  };
}

test('a training on a picture that is unfit fails before it begins, and says which', async () => {
  const [first = ''] = styles;
  const { files, job } = await train([bytesOf(`emoji-base/style-ink/${first}`), bytesOf('nsfw/fixtures/blobs.png')]);
  expect(job).toMatchObject({ status: 'failed', attempts: 1, progress: { step: 0 } });
  expect(job?.error).toMatchObject({
    code: 'content_refused',
    message: expect.stringContaining(files[1]?.file_id ?? ''),
    param: 'files.1.file_id',
    refusal: { category: 'sexual', threshold: 0.7, stage: 'training_picture' },
  });
  expect(job?.error?.refusal?.score).toBeGreaterThan(0.9);
});

test('a picture to paint over that is unfit is refused before it is, and says why', async () => {
  const file = await upload(bytesOf('nsfw/fixtures/blobs.png'));
  const { job, pictures } = await draw({ image: file });
  expect(job?.error).toMatchObject({
    code: 'content_refused',
    param: 'image',
    refusal: { category: 'sexual', threshold: 0.7, stage: 'start_picture' },
  });
  expect([job?.progress.step, pictures]).toEqual([0, []]);
});

test('where training pictures are not looked at, any will do; those against forgetting are looked at, too', async () => {
  const [own, prior] = [bytesOf('emoji-base/style-ink/'.concat(styles[0] ?? '')), bytesOf('nsfw/fixtures/blobs.png')];
  const asked = { model: 'tiny', name: 'style', files: [{ file_id: await upload(own), caption: 'a' }] };
  const prior_files = [{ file_id: await upload(prior), caption: '' }];
  const { id } = await createTraining(toServices(), tenant, trainingRequestSchema.parse({ ...asked, prior_files }));
  const record = await readJob(services.bucket, trainings, tenant, id);
  if (!record) throw new Error('a record wanted');
  const look = async (moderator: PictureModerator, looked = false) => {
    const begun = { tenant, record, signal: never, amend: async () => undefined };
    const pictures = openPictures({ ...services, moderator }, begun, looked);
    for (const { read } of [...pictures.files, ...pictures.prior]) expect((await read()).width).toBeGreaterThan(16);
  };
  // Nor are they again when a training goes on.
  await expect(look(usual, true)).resolves.toBeUndefined();
  await expect(look(pictureModerator({ output_picture: 0.7 }))).resolves.toBeUndefined();
  await expect(look(usual)).rejects.toMatchObject({ code: 'content_refused', param: 'prior_files.0.file_id' });
});

test('pictures that are refused are not kept, and listed as refused; others of the same job are', async () => {
  const seen: Picture[] = [];
  const watching = { look: async (picture: Picture) => void seen.push(picture), close: async () => undefined };
  const { job: all } = await draw({ n: 4 }, { moderator: watching });
  expect(all).toMatchObject({ status: 'succeeded' });
  expect(all?.output).not.toHaveProperty('refused');
  expect(seen.length).toBe(4);

  const [unfit] = seen;
  const look = async ({ data }: Picture) => (Buffer.compare(data, unfit?.data ?? data) === 0 ? refusal : undefined);
  const { job, pictures } = await draw({ n: 4 }, { moderator: { ...watching, look } });
  expect(job).toMatchObject({ status: 'succeeded', error: null });
  const index = job?.output?.refused?.[0]?.index ?? -1;
  expect(job?.output?.refused).toEqual([{ index, seed: 1 + index, ...refusal }]);
  const others = [0, 1, 2, 3].filter((other) => other !== index);
  expect(job?.output?.images.map((made) => made.index)).toEqual(others);
  expect(pictures.map((key) => key.at(-5))).toEqual(others.map(String));
});

test('a job whose pictures are all refused fails', async () => {
  const strict = { look: async () => refusal, close: async () => undefined };
  const { job, pictures } = await draw({ n: 2 }, { moderator: strict });
  expect(job).toMatchObject({ status: 'failed', output: null, error: { code: 'content_refused', param: null, refusal } });
  expect(pictures).toEqual([]);
});

test('drawings pass: the style that ships with the base, and what the base itself draws', async () => {
  const sheet = await decodePicture(bytesOf('emoji-base/contact-sheet.png'));
  // Windows of the size of its pictures, all over the sheet.
  const windows: Picture[] = [];
  const size = 128;
  for (let top = 0; top + size <= sheet.height; top += 314) {
    for (let left = 0; left + size <= sheet.width; left += 314) {
      const data = new Uint8Array(size * size * 3);
      for (let y = 0; y < size; y++) {
        const from = ((top + y) * sheet.width + left) * 3;
        data.set(sheet.data.subarray(from, from + size * 3), y * size * 3);
      }
      windows.push({ width: size, height: size, data });
    }
  }
  const drawn = await Promise.all(styles.map((name) => decodePicture(bytesOf(`emoji-base/style-ink/${name}`))));
  expect(drawn.length + windows.length).toBeGreaterThan(35);
  const looked = await Promise.all([...drawn, ...windows].map((picture) => usual.look(picture, 'training_picture')));
  expect(looked.filter((refusal) => refusal !== undefined)).toEqual([]);
});
