import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { begin, type Denoising, finished, latentsOf, type PictureRequest, step } from './denoise.ts';
import { openPipeline, type Pipeline } from './families/pipeline.ts';
import { readLora } from './files/index.ts';
import { type Lora, loraFrom } from './files/lora.ts';
import { openBatch, resultOf } from './generate.ts';
import type { Picture } from './pixels.ts';
import { keptTexts, textEncoder } from './texts.ts';

const fixtures = fileURLToPath(new URL('../fixtures/sd-tiny/', import.meta.url));
let pipeline: Pipeline;
let ink: Lora;
let neon: Lora;

beforeAll(async () => {
  pipeline = await openPipeline(`${fixtures}model`);
  ink = await readLora(`${fixtures}lora/ink.kohya.safetensors`);
  neon = await readLora(`${fixtures}lora/neon.kohya.safetensors`);
});
afterAll(() => pipeline.close());

const request = (prompt: string, seed: number, more: Partial<PictureRequest> = {}): PictureRequest => ({
  prompt,
  negativePrompt: '',
  seed,
  loras: [],
  width: 64,
  height: 64,
  steps: 4,
  guidanceScale: 4,
  sampler: 'ddim',
  ...more,
});

/** Pictures made together, eight at a time. */
function pictures(...requests: PictureRequest[]): Promise<Picture[]> {
  const batch = openBatch(pipeline, 8);
  return Promise.all(requests.map((one) => resultOf(batch.generate(one))));
}

async function alone(one: PictureRequest): Promise<Float32Array> {
  let pictures = [await begin(pipeline, one)];
  while (!pictures.every(finished)) pictures = await step(pipeline, pictures);
  return pictures.map(latentsOf)[0] ?? new Float32Array();
}

function relativeError(got: Float32Array, wanted: Float32Array): number {
  const norm = (values: Float32Array) => Math.hypot(...values);
  return norm(got.map((value, i) => value - (wanted[i] ?? Number.NaN))) / norm(wanted);
}

const largestDifference = (a: Picture | undefined, b: Picture | undefined) =>
  Math.max(...(a ? a.data.map((value, i) => Math.abs(value - (b?.data[i] ?? 999))) : [999]));

describe('a step taken together', () => {
  it('gives each picture what it gets alone, whatever the others are and whenever they came', async () => {
    const requests = [
      request('a cat', 7, { steps: 6 }),
      request('a red sofa', 8, { loras: [{ lora: ink, weight: 1 }], sampler: 'euler', guidanceScale: 1 }),
      request('mountains', 9, {
        negativePrompt: 'snow',
        guidanceScale: 7,
        loras: [
          { lora: neon, weight: -0.7 },
          { lora: ink, weight: 0.5 },
        ],
      }),
      request('a cat', 7, { loras: [{ lora: neon, weight: 1 }], steps: 3 }),
    ];
    // One more joins before each step, until none is left.
    let running: { i: number; picture: Denoising }[] = [];
    const latents: Float32Array[] = [];
    for (let turn = 0; turn < requests.length || running.length > 0; turn++) {
      const joining = requests[turn];
      if (joining) running.push({ i: turn, picture: await begin(pipeline, joining) });
      const after = await step(
        pipeline,
        running.map(({ picture }) => picture),
      );
      running = running.flatMap(({ i }, place) => {
        const picture = after[place];
        if (!picture || !finished(picture)) return picture ? [{ i, picture }] : [];
        latents[i] = latentsOf(picture);
        return [];
      });
    }
    for (const [i, one] of requests.entries())
      expect(relativeError(latents[i] ?? new Float32Array(), await alone(one))).toBeLessThan(1e-4);
    // The LoRAs do something, or the comparison would prove nothing.
    expect(
      relativeError(
        await alone(request('a red sofa', 8, { sampler: 'euler', guidanceScale: 1 })),
        latents[1] ?? new Float32Array(),
      ),
    ).toBeGreaterThan(0.01);
  });

  it('is the same with eight LoRAs as with one that is their sum', async () => {
    const eighth = { lora: ink, weight: 1 / 8 };
    const eight = await alone(request('a cat', 1, { loras: new Array<typeof eighth>(8).fill(eighth) }));
    expect(relativeError(eight, await alone(request('a cat', 1, { loras: [{ lora: ink, weight: 1 }] })))).toBeLessThan(1e-4);
  });
});

describe('a running batch', () => {
  it('gives the same picture for the same seed, and another for another', async () => {
    const [a, b, c] = await pictures(request('a cat', 1), request('a cat', 1), request('a cat', 2));
    expect(largestDifference(a, b)).toBeLessThanOrEqual(1);
    expect(largestDifference(a, c)).toBeGreaterThan(3);
  });

  it('lets a picture in at the next step, and a short one out before a long one', async () => {
    const batch = openBatch(pipeline, 2);
    const order: string[] = [];
    const long = batch.generate(request('a cat', 1, { steps: 12 }));
    expect((await long.next()).value).toEqual({ step: 1, steps: 12 });
    const rest = resultOf(long).then(() => order.push('long'));
    await resultOf(batch.generate(request('a dog', 2, { steps: 2 }))).then(() => order.push('short'));
    await rest;
    expect(order).toEqual(['short', 'long']);
  });

  it('makes those wait for whom no slot is free, in the order of their coming', async () => {
    const batch = openBatch(pipeline, 1);
    const order: number[] = [];
    await Promise.all(
      [3, 1, 2].map((steps, i) => resultOf(batch.generate(request('a cat', i, { steps }))).then(() => order.push(i))),
    );
    expect(order).toEqual([0, 1, 2]);
  });

  it('makes pictures that are not square, beside square ones, in steps that it reports', async () => {
    const batch = openBatch(pipeline, 4);
    const square = resultOf(batch.generate(request('a cat', 1)));
    const run = batch.generate(request('a cat', 1, { width: 96, height: 32, steps: 2, guidanceScale: 1, sampler: 'euler' }));
    expect((await run.next()).value).toEqual({ step: 1, steps: 2 });
    const picture = await resultOf(run);
    expect([picture.width, picture.height, picture.data.length]).toEqual([96, 32, 96 * 32 * 3]);
    expect((await square).data.length).toBe(64 * 64 * 3);
  });

  it('ignores a negative prompt where guidance is 1', async () => {
    const plain = request('a cat', 1, { guidanceScale: 1 });
    const [a, b] = await pictures(plain, { ...plain, negativePrompt: 'a cat on a sofa' });
    expect(largestDifference(a, b)).toBeLessThanOrEqual(1);
  });

  it('refuses a size that the model cannot make, and goes on with the others', async () => {
    const batch = openBatch(pipeline, 4);
    const good = resultOf(batch.generate(request('a cat', 1)));
    await expect(resultOf(batch.generate(request('a cat', 1, { width: 60 })))).rejects.toMatchObject({
      code: 'bad_size',
      message: expect.stringContaining('multiples of 8'),
    });
    expect((await good).width).toBe(64);
  });

  it('refuses a LoRA of another base, by layer', async () => {
    const half = { down: new Float32Array(768), up: new Float32Array(320), rank: 1, inFeatures: 768, outFeatures: 320, alpha: 1 };
    const module = 'unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k';
    const use = (lora: Lora) => pictures(request('a cat', 1, { loras: [{ lora, weight: 1 }] }));
    await expect(use(loraFrom(new Map([[module, half]])))).rejects.toMatchObject({
      code: 'lora_mismatch',
      message: expect.stringContaining('768 → 320'),
    });
    await expect(use(loraFrom(new Map([['unet.elsewhere', half]])))).rejects.toMatchObject({
      code: 'lora_mismatch',
      message: expect.stringContaining('unet.elsewhere'),
    });
  });

  it('stops a picture between steps when asked to, and gives its slot to the next', async () => {
    const batch = openBatch(pipeline, 1);
    const stop = new AbortController();
    const run = batch.generate(request('a cat', 1, { steps: 50 }), stop.signal);
    await run.next();
    const next = resultOf(batch.generate(request('a dog', 2, { steps: 1 })));
    stop.abort();
    await expect(resultOf(run)).rejects.toThrow('aborted');
    expect((await next).width).toBe(64);
  });

  it('frees the slot of a picture that nobody waits for any more', async () => {
    const batch = openBatch(pipeline, 1);
    for await (const { step: done } of batch.generate(request('a cat', 1, { steps: 50 }))) if (done === 1) break;
    expect((await resultOf(batch.generate(request('a dog', 2, { steps: 1 })))).width).toBe(64);
  });
});

it('weighs a LoRA in the text encoder apart from the UNet', async () => {
  const textOnly = loraFrom(new Map([...ink.modules].filter(([name]) => name.startsWith('text_encoder.'))));
  const unetOnly = loraFrom(new Map([...ink.modules].filter(([name]) => name.startsWith('unet.'))));
  const apart = await alone(request('a cat', 1, { loras: [{ lora: ink, weight: 0.5, textWeight: -1 }] }));
  const parts = [
    { lora: unetOnly, weight: 0.5 },
    { lora: textOnly, weight: -1 },
  ];
  expect(relativeError(apart, await alone(request('a cat', 1, { loras: parts })))).toBeLessThan(1e-4);
  expect(relativeError(apart, await alone(request('a cat', 1, { loras: [{ lora: ink, weight: 0.5 }] })))).toBeGreaterThan(1e-3);
});

it('encodes a text once for each set of LoRAs that adapts the text encoder', async () => {
  let encoded = 0;
  const plain = textEncoder(pipeline);
  const encode = keptTexts(pipeline, (...of) => {
    encoded++;
    return plain(...of);
  });
  const style = [{ lora: ink, weight: 1 }];
  const onlyUnet = loraFrom(new Map([...ink.modules].filter(([name]) => name.startsWith('unet.'))));
  const [a, b, c, d] = await Promise.all([
    encode('a cat', []),
    encode('a cat', []),
    encode('a cat', style),
    encode('a cat', [{ lora: onlyUnet, weight: 1 }]),
  ]);
  expect(encoded).toBe(2);
  expect(b).toBe(a);
  expect(d).toBe(a);
  expect(relativeError(c?.context?.data ?? new Float32Array(), a?.context?.data ?? new Float32Array())).toBeGreaterThan(1e-3);
  await encode('a dog', []);
  await encode('a cat', style);
  expect(encoded).toBe(3);
});
