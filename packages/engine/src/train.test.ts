import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openPipeline, type Pipeline } from './families/pipeline.ts';
import type { Lora } from './files/lora.ts';
import { checkFits } from './lora.ts';
import type { Picture } from './pixels.ts';
import { type Training, type TrainingStep, trainLora } from './train.ts';

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await openPipeline(fileURLToPath(new URL('../fixtures/sd-tiny/model', import.meta.url)));
});
afterAll(() => pipeline.close());

/** Stripes of one colour, so that the examples differ. */
const picture = (colour: number, size = 64): Picture => ({
  width: size,
  height: size,
  data: Uint8Array.from({ length: size * size * 3 }, (_, i) => (Math.floor(i / 24) % 2 === 0 ? colour : 255 - colour)),
});

const training: Training = {
  examples: [10, 90, 200].map((colour) => ({ picture: picture(colour), caption: `stripes of ${colour}` })),
  rank: 2,
  alpha: 2,
  learningRate: 1e-3,
  steps: 4,
  batchSize: 2,
  seed: 5,
  targets: 'attention',
  trainTextEncoder: false,
};

/** Runs to the end, or up to a step that is then handed back. */
async function run(
  options: Partial<Training> = {},
  until = Number.POSITIVE_INFINITY,
): Promise<{ losses: number[]; lora: Lora; last?: TrainingStep }> {
  const steps = trainLora(pipeline, { ...training, ...options });
  const losses: number[] = [];
  for (;;) {
    const { done, value } = await steps.next();
    if (done) return { losses, lora: value };
    losses.push(value.loss);
    if (value.step === until) return { losses, lora: value.lora(), last: value };
  }
}

it('resumes from a checkpoint to the bit', async () => {
  const whole = await run();
  const { last, losses } = await run({}, 2);
  const resumed = await run({ resume: last?.checkpoint() ?? new Uint8Array() });
  expect([...losses, ...resumed.losses]).toEqual(whole.losses);
  expect(resumed.lora.digest).toBe(whole.lora.digest);
});

const options: Partial<Training> = {
  optimizer: 'prodigy',
  schedule: 'cosine',
  warmup: 1,
  maxGradientNorm: 0.01,
  minSnrGamma: 5,
  noiseOffset: 0.1,
  captionDropout: 0.5,
  targets: 'attention+ff+conv',
};

it('resumes to the bit with every option as well', async () => {
  const whole = await run(options);
  const { last } = await run(options, 2);
  const resumed = await run({ ...options, resume: last?.checkpoint() ?? new Uint8Array() });
  expect(resumed.lora.digest).toBe(whole.lora.digest);
  await expect(run({ ...training, resume: last?.checkpoint() ?? new Uint8Array() })).rejects.toMatchObject({
    code: 'bad_checkpoint',
  });
});

it.each(Object.entries(options))('%s %s makes a difference', async (name, value) => {
  // A warm-up is of a schedule that has one.
  const common: Partial<Training> = { trainTextEncoder: true, ...(name === 'warmup' ? { schedule: 'linear' } : {}) };
  const [without, with_] = [await run(common), await run({ ...common, [name]: value })];
  expect(with_.lora.digest).not.toBe(without.lora.digest);
});

it.each(['adamw', 'lion', 'prodigy'] as const)('resumes %s to the bit', async (optimizer) => {
  const whole = await run({ optimizer });
  const { last } = await run({ optimizer }, 2);
  expect((await run({ optimizer, resume: last?.checkpoint() ?? new Uint8Array() })).lora.digest).toBe(whole.lora.digest);
});

it('goes back once when the loss stops being a number, and on with a fourth of the learning rate', async () => {
  // Weight decay of 0.01 multiplies the weights by −9 a step at a rate of 1000, and by −1.5 at 250.
  const seen: { step: number; loss: number }[] = [];
  const steps = trainLora(pipeline, { ...training, learningRate: 1000, steps: 12 });
  for (let next = await steps.next(); !next.done; next = await steps.next()) seen.push(next.value);
  const first = seen.findIndex(({ step }, i) => i > 0 && step === 1);
  expect(first).toBeGreaterThan(1);
  expect(seen.map(({ step }) => step)).toEqual([
    ...Array.from({ length: first }, (_, i) => i + 1),
    ...Array.from({ length: 12 }, (_, i) => i + 1),
  ]);
  expect(seen.every(({ loss }) => loss < 10)).toBe(true);
  // From there it is the training with that rate, to the bit.
  const gentle = await run({ learningRate: 250, steps: 12 });
  expect(seen.slice(first).map(({ loss }) => loss)).toEqual(gentle.losses);
});

it('keeps to the lower rate when it resumes', async () => {
  const steps = trainLora(pipeline, { ...training, learningRate: 1000, steps: 12 });
  let [times, resume] = [0, new Uint8Array()];
  for await (const { step, checkpoint } of steps) {
    if (step !== 3) continue;
    times++;
    resume = checkpoint();
    if (times === 2) break;
  }
  expect(times).toBe(2);
  const resumed = await run({ learningRate: 1000, steps: 12, resume });
  expect(resumed.losses).toEqual((await run({ learningRate: 250, steps: 12 })).losses.slice(3));
});

it('fails with step and reason when that did not help', async () => {
  await expect(run({ learningRate: 1e30, steps: 12 })).rejects.toMatchObject({
    code: 'not_finite',
    message: expect.stringMatching(/the loss is NaN at step \d+, also after going back to step 0 .* than 1e\+30 wanted/),
  });
});

it('trains convolutions that generate reads', async () => {
  const { lora } = await run({ targets: 'attention+ff+conv', learningRate: 0.05 });
  const layers = (await pipeline.programs.unetWithConvolutions()).layers;
  expect([...lora.modules.keys()].sort()).toEqual(layers.map(({ module }) => module).sort());
  expect(() => checkFits(layers, lora)).not.toThrow();
  const changed = [...lora.modules].filter(([, { up }]) => up.some((value) => value !== 0)).map(([name]) => name);
  expect(changed).toEqual(
    expect.arrayContaining(['unet.conv_in', 'unet.down_blocks.0.resnets.0.conv1', 'unet.mid_block.resnets.0.time_emb_proj']),
  );
});

it('gives another LoRA for another seed', async () => {
  const [a, b] = [await run({ steps: 1 }), await run({ steps: 1, seed: 6 })];
  expect(a.lora.digest).not.toBe(b.lora.digest);
});

it('adapts the layers that were asked for', async () => {
  const names = async (options: Partial<Training>) => [...(await run({ ...options, steps: 1 })).lora.modules.keys()];
  const attention = await names({});
  // Four transformers of two attentions of four projections each.
  expect(attention.length).toBe(4 * 8);
  expect((await names({ targets: 'attention+ff' })).length).toBe(4 * 12);
  expect(
    (await names({ trainTextEncoder: true })).filter((name) => name.startsWith('text_encoder.text_model.encoder.layers.')).length,
  ).toBe(2 * 4);
});

it('moves every layer, the text encoder too', async () => {
  const { lora } = await run({ trainTextEncoder: true, targets: 'attention+ff', steps: 2 });
  for (const [name, { up }] of lora.modules)
    expect(
      up.some((value) => value !== 0),
      name,
    ).toBe(true);
});

it('lowers the loss on one picture', async () => {
  const [example] = training.examples;
  const { losses } = await run({ examples: example ? [example] : [], steps: 40, batchSize: 4, learningRate: 1e-2, rank: 8 });
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  expect(mean(losses.slice(-10))).toBeLessThan(0.9 * mean(losses.slice(0, 10)));
});

it.each([
  ['another rank', { rank: 3 }, 'another training'],
  ['other captions', { examples: training.examples.slice(1) }, 'another training'],
])('refuses the checkpoint of %s', async (_, options, message) => {
  const { last } = await run({}, 1);
  await expect(run({ ...options, resume: last?.checkpoint() ?? new Uint8Array() })).rejects.toMatchObject({
    code: 'bad_checkpoint',
    message: expect.stringContaining(message),
  });
});

it('refuses to train on nothing, and on pictures of the wrong size', async () => {
  await expect(run({ examples: [] })).rejects.toMatchObject({ code: 'bad_training' });
  await expect(run({ examples: [{ picture: picture(1, 32), caption: '' }] })).rejects.toMatchObject({
    code: 'bad_training',
    message: expect.stringContaining('64 × 64 wanted'),
  });
});
