import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { begin, type Denoising, finished, latentsOf, type PictureRequest, step } from './denoise.ts';
import { openPipeline, type Pipeline } from './families/pipeline.ts';
import { openBatch, resultOf } from './generate.ts';
import { encodePicture, latentMask, type StartImage } from './image.ts';
import { decodeMask, encodePng, type Picture } from './pixels.ts';
import { randomFrom } from './random.ts';
import { type SamplerName, samplers } from './samplers/index.ts';
import { addNoise } from './samplers/schedule.ts';

const tiny = fileURLToPath(new URL('../fixtures/sd-tiny/model', import.meta.url));
const side = 64;
const names: SamplerName[] = ['ddim', 'pndm', 'euler', 'euler_a', 'dpmpp_2m', 'dpmpp_2m_karras', 'unipc', 'lcm'];

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await openPipeline(tiny);
});
afterAll(() => pipeline.close());

const picture: Picture = {
  width: side,
  height: side,
  data: Uint8Array.from({ length: 3 * side * side }, (_, i) => (i * 7 + Math.floor(i / 192) * 3) % 256),
};
/** The right half is made anew. */
const rightHalf = Uint8Array.from({ length: side * side }, (_, i) => (i % side >= side / 2 ? 255 : 0));

const request = (sampler: SamplerName, image?: StartImage): PictureRequest => ({
  prompt: 'a cat',
  negativePrompt: '',
  seed: 5,
  loras: [],
  width: side,
  height: side,
  steps: 8,
  guidanceScale: 2,
  sampler,
  ...(image ? { image } : {}),
});

async function finish(...begun: Denoising[]): Promise<Float32Array[]> {
  let pictures = begun;
  while (!pictures.every(finished)) {
    const after = await step(
      pipeline,
      pictures.filter((one) => !finished(one)),
    );
    pictures = pictures.map((one) => (finished(one) ? one : (after.shift() ?? one)));
  }
  return pictures.map(latentsOf);
}

const latentsFrom = async (one: PictureRequest) => (await finish(await begin(pipeline, one)))[0] ?? new Float32Array();

function relativeError(got: Float32Array, wanted: Float32Array): number {
  const difference = got.map((value, i) => value - (wanted[i] ?? Number.NaN));
  return Math.hypot(...difference) / Math.hypot(...wanted);
}

const clean = async () => (await encodePicture(pipeline, picture)).mean.map((value) => value * pipeline.model.vae.scaling_factor);

describe('from a picture', () => {
  it('starts part of the way, from its latents under the noise of the seed', async () => {
    const begun = await begin(pipeline, request('ddim', { picture, strength: 0.5 }));
    const timesteps = samplers.ddim(pipeline.schedule, 8).steps.map(({ timestep }) => timestep);
    expect(begun.sampler.steps.map(({ timestep }) => timestep)).toEqual(timesteps.slice(4));
    const noise = randomFrom(5).fillNormal(new Float32Array(begun.state.latents.length));
    const wanted = addNoise(pipeline.schedule, await clean(), noise, timesteps[4] ?? -1);
    expect(relativeError(begun.state.latents, wanted)).toBeLessThan(1e-6);
  });

  it.each(names)('%s stays nearer to it the less strength there is, and at full strength forgets it', async (sampler) => {
    const from = await clean();
    const [little, much] = [
      await latentsFrom(request(sampler, { picture, strength: 0.25 })),
      await latentsFrom(request(sampler, { picture, strength: 0.75 })),
    ];
    expect(relativeError(little, from)).toBeLessThan(relativeError(much, from));
    const whole = await latentsFrom(request(sampler, { picture, strength: 1 }));
    expect(relativeError(whole, await latentsFrom(request(sampler)))).toBe(0);
  });

  it('makes each what it makes alone, beside others that start elsewhere, with noise of their own on the way', async () => {
    const requests = [
      request('euler_a'),
      request('euler_a', { picture, strength: 0.5, mask: rightHalf }),
      { ...request('lcm', { picture, strength: 0.6 }), steps: 4, seed: 9 },
      request('unipc', { picture, strength: 0.3 }),
    ];
    const together = await finish(...(await Promise.all(requests.map((one) => begin(pipeline, one)))));
    for (const [i, one] of requests.entries())
      expect(relativeError(together[i] ?? new Float32Array(), await latentsFrom(one))).toBeLessThan(1e-4);
    expect(
      relativeError(await latentsFrom({ ...request('euler_a'), seed: 6 }), together[0] ?? new Float32Array()),
    ).toBeGreaterThan(0.1);
  });

  it('refuses one of another size', async () => {
    const small = { ...picture, height: 32, data: picture.data.subarray(0, 3 * side * 32) };
    await expect(begin(pipeline, request('ddim', { picture: small, strength: 0.5 }))).rejects.toMatchObject({
      code: 'bad_size',
      message: expect.stringContaining('64 × 32'),
    });
  });
});

describe('with a mask', () => {
  it.each(names)('%s keeps what is black in it to the pixel, and makes the rest anew', async (sampler) => {
    const image = { picture, strength: 1, mask: rightHalf };
    const made = await resultOf(openBatch(pipeline, 1).generate(request(sampler, image)));
    const plain = await resultOf(openBatch(pipeline, 1).generate(request(sampler)));
    let [kept, anew, fromPlain] = [0, 0, 0];
    for (let i = 0; i < made.data.length; i++) {
      const difference = Math.abs((made.data[i] ?? 0) - (picture.data[i] ?? 0));
      if (Math.floor(i / 3) % side < side / 2) kept += difference;
      else {
        anew += difference;
        fromPlain += Math.abs((made.data[i] ?? 0) - (plain.data[i] ?? 0));
      }
    }
    expect(kept).toBe(0);
    expect(anew / (1.5 * side * side)).toBeGreaterThan(10);
    // It knows what it is beside: not simply the same picture cut in two.
    expect(fromPlain).toBeGreaterThan(0);
    const latents = await latentsFrom(request(sampler, image));
    const columns = side / pipeline.latentFactor;
    const left = (values: Float32Array) => values.filter((_, i) => i % columns < columns / 2);
    expect(left(latents)).toEqual(left(await clean()));
  });

  it('that is all white is as none', async () => {
    const white = new Uint8Array(side * side).fill(255);
    const [masked, unmasked] = await Promise.all([
      latentsFrom(request('ddim', { picture, strength: 0.5, mask: white })),
      latentsFrom(request('ddim', { picture, strength: 0.5 })),
    ]);
    expect(masked).toEqual(unmasked);
  });

  it('mixes where it is grey, and frees every latent that it touches', async () => {
    const mask = new Uint8Array(8 * 4);
    mask[8 * 1 + 5] = 128;
    expect([...latentMask(mask, 8, 4, 4)]).toEqual([0, 1]);
    const grey = new Uint8Array(side * side).fill(51);
    const image = { picture, strength: 0.5 };
    const [mixed, full] = await Promise.all(
      [{ ...image, mask: grey }, image].map((one) => resultOf(openBatch(pipeline, 1).generate(request('ddim', one)))),
    );
    const wanted = full?.data.map((value, i) => Math.round(0.2 * value + 0.8 * (picture.data[i] ?? 0)));
    expect(mixed?.data).toEqual(wanted);
  });

  it('is decoded from its brightness', async () => {
    const png = await encodePng({
      width: 32,
      height: 16,
      data: Uint8Array.from({ length: 3 * 32 * 16 }, (_, i) => (i % 3) * 60),
    });
    expect(await decodeMask(png, 16, 16)).toEqual(new Uint8Array(256).fill(60));
  });
});
