import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPipeline, type Pipeline } from '../families/pipeline.ts';
import type { Lora } from '../files/lora.ts';
import { decodeSafetensors } from '../files/safetensors.ts';
import { checkFits } from '../lora.ts';
import type { Picture } from '../pixels.ts';
import { mustRecompute, stepMemory } from './memory.ts';
import { type TrainingStep, trainLora } from './train.ts';
import type { Training } from './training.ts';

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await openPipeline(fileURLToPath(new URL('../../fixtures/sd-tiny/model', import.meta.url)));
});
afterAll(() => pipeline.close());

/** Stripes of one colour, so that the examples differ. */
const picture = (colour: number, height = 64, width = height): Picture => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (Math.floor(i / 24) % 2 === 0 ? colour : 255 - colour)),
});

const training: Training = {
  examples: [10, 90, 200].map((colour) => ({ picture: async () => picture(colour), caption: `stripes of ${colour}` })),
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
  schedule: 'cosine_with_restarts',
  warmup: 1,
  weightDecay: 0.3,
  maxGradientNorm: 0.01,
  minSnrGamma: 5,
  noiseOffset: 0.1,
  captionDropout: 0.5,
  targets: 'attention+ff+conv',
  resolution: 48,
  buckets: true,
  flip: true,
  shuffleTags: true,
  accumulation: 2,
  emaDecay: 0.9,
  validationSplit: 0.34,
  textLearningRate: 1e-4,
  prior: [{ picture: async () => picture(50), caption: 'a thing' }],
  trainTextEncoder: true,
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

describe('each option makes a difference', () => {
  const digests = new Map<string, Promise<string>>();
  const digestOf = (changes: Partial<Training>) => {
    const key = JSON.stringify(changes);
    const digest = digests.get(key) ?? run({ ...tagged, ...changes }).then(({ lora }) => lora.digest);
    digests.set(key, digest);
    return digest;
  };
  // Oblong pictures, and captions of several tags
  const tagged: Partial<Training> = {
    trainTextEncoder: true,
    examples: [10, 90, 200].map((colour) => ({
      picture: async () => picture(colour, 64, 96),
      caption: `stripes, ${colour}, b, c`,
    })),
  };
  it.each(Object.entries(options))('%s', async (name, value) => {
    if (name === 'trainTextEncoder') return expect(await digestOf({ trainTextEncoder: false })).not.toBe(await digestOf({}));
    // A warm-up, and a restart, are of a schedule that has one.
    const common: Partial<Training> = name === 'warmup' ? { schedule: 'linear' } : {};
    expect(await digestOf({ ...common, [name]: value })).not.toBe(await digestOf(common));
  });
});

/** What AdamW remembers of the gradients after a step at which nothing moves. */
async function moments(changes: Partial<Training>, until: number): Promise<Float32Array> {
  const { last } = await run({ learningRate: 1e-30, weightDecay: 0, batchSize: 1, ...changes }, until);
  const { tensors } = decodeSafetensors(last?.checkpoint() ?? new Uint8Array());
  return tensors.get('now.optimizer.0.first')?.data ?? expect.unreachable();
}
const near = (got: ArrayLike<number>, wanted: ArrayLike<number>) =>
  Math.hypot(...Array.from(got, (value, i) => value - (wanted[i] ?? Number.NaN))) / Math.hypot(...Array.from(wanted));

it('takes the mean gradient of the batches of a step', async () => {
  // The mean of two gradients is what the moments of two steps tell of them: 0.1 a, and 0.09 a + 0.1 b.
  const [first, second, both] = [await moments({}, 1), await moments({}, 2), await moments({ accumulation: 2 }, 1)];
  const wanted = first.map((value, i) => ((second[i] ?? 0) - 0.9 * value + value) / 2);
  expect(near(both, wanted)).toBeLessThan(1e-5);
  const losses = (await run({ learningRate: 1e-30, batchSize: 1 })).losses;
  const means = (await run({ learningRate: 1e-30, batchSize: 1, steps: 2, accumulation: 2 })).losses;
  for (const [i, mean] of means.entries()) expect(mean).toBeCloseTo(((losses[2 * i] ?? 0) + (losses[2 * i + 1] ?? 0)) / 2, 6);
});

it('shows as many prior pictures as examples, each with its weight', async () => {
  const prior = options.prior ?? [];
  const of = async (priorWeight: number) =>
    (await run({ prior, priorWeight, batchSize: 1, steps: 12, learningRate: 1e-30, keepSteps: 100 })).losses;
  const [none, one, two] = [await of(0), await of(1), await of(2)];
  expect(none.filter((loss) => loss === 0).length).toBe(6);
  for (const [i, loss] of none.entries()) {
    if (loss !== 0) expect([one[i], two[i]]).toEqual([loss, loss]);
    else expect(two[i]).toBeCloseTo(2 * (one[i] ?? 0), 5);
  }
});

it('averages over the steps', async () => {
  const values: Float32Array[] = [];
  for await (const { lora } of trainLora(pipeline, { ...training, learningRate: 0.1, steps: 6 }))
    values.push(Float32Array.from([...lora().modules.values()].flatMap(({ up }) => [...up])));
  // At first, `up` is zero.
  let wanted = new Float32Array(values[0]?.length ?? 0);
  for (const [step, now] of values.entries()) {
    const keep = Math.min(0.2, (1 + step) / (10 + step));
    wanted = wanted.map((value, i) => keep * value + (1 - keep) * (now[i] ?? 0));
  }
  const { lora } = await run({ learningRate: 0.1, steps: 6, emaDecay: 0.2 });
  expect(near(Float32Array.from([...lora.modules.values()].flatMap(({ up }) => [...up])), wanted)).toBeLessThan(1e-5);
});

it('trains the text encoder at a rate of its own', async () => {
  const { lora } = await run({ trainTextEncoder: true, textLearningRate: 1e-30, weightDecay: 0, learningRate: 1e-2 });
  const largest = (part: string) =>
    Math.max(...[...lora.modules].flatMap(([name, { up }]) => (name.startsWith(part) ? [...up] : [])).map(Math.abs));
  expect(largest('text_encoder.')).toBeLessThan(1e-28);
  expect(largest('unet.')).toBeGreaterThan(1e-3);
});

it('goes on from a LoRA', async () => {
  const { lora: start } = await run({ learningRate: 1e-2 });
  const { lora } = await run({ start, learningRate: 1e-30, weightDecay: 0, seed: 6 });
  expect([...lora.modules.values()]).toEqual([...start.modules.values()]);
  // The same adaptation at another scale
  const scaled = await run({ start, alpha: 8, learningRate: 1e-30, weightDecay: 0 });
  for (const [name, { up }] of start.modules)
    expect(
      near(
        scaled.lora.modules.get(name)?.up ?? [],
        up.map((value) => value / 4),
      ),
    ).toBeLessThan(1e-6);
  await expect(run({ start, rank: 4 })).rejects.toMatchObject({
    code: 'lora_mismatch',
    message: expect.stringContaining('→ 4 →'),
  });
  const other = await run({ targets: 'attention+ff' });
  await expect(run({ start: other.lora })).rejects.toMatchObject({ code: 'lora_mismatch' });
});

it('measures with pictures that it does not train on, the same each time', async () => {
  // Two copies of one picture: what is learnt of the one serves the other.
  const examples = [1, 2].map(() => ({ picture: async () => picture(30), caption: 'stripes' }));
  const measured: (number | undefined)[] = [];
  const split: Partial<Training> = { examples, validationSplit: 0.5, learningRate: 1e-2, rank: 8, batchSize: 4, steps: 40 };
  for await (const { step, validate } of trainLora(pipeline, { ...training, ...split })) {
    if (step !== 1 && step !== 40) continue;
    measured.push(await validate());
    expect(await validate()).toBe(measured.at(-1));
  }
  const [before = 0, after = 0] = measured;
  expect(after).toBeLessThan(0.95 * before);
  expect((await run({}, 1)).last && (await (await run({}, 1)).last?.validate())).toBeUndefined();
});

it('computes anew what it does not keep, with the same result and less memory', async () => {
  const [kept, again] = [
    await run({ recompute: false, targets: 'attention+ff+conv' }),
    await run({ recompute: true, targets: 'attention+ff+conv' }),
  ];
  for (const [i, loss] of kept.losses.entries()) expect(again.losses[i]).toBeCloseTo(loss, 5);
  const all = ({ lora }: typeof kept) =>
    Float32Array.from([...lora.modules.values()].flatMap(({ up, down }) => [...up, ...down]));
  expect(near(all(again), all(kept))).toBeLessThan(1e-4);
  const size = { width: 16, height: 16 };
  const [much, little] = [
    await stepMemory(pipeline, training, size, 2),
    await stepMemory(pipeline, { ...training, recompute: true }, size, 2),
  ];
  expect(little.activations).toBeLessThan(0.6 * much.activations);
  expect(Math.abs(little.weights / much.weights - 1)).toBeLessThan(0.01);
  // Whichever fits is chosen; the result is the same.
  expect(await mustRecompute(pipeline, { ...training, memoryBytes: 2e9 }, [size])).toBe(false);
  expect(await mustRecompute(pipeline, { ...training, memoryBytes: much.weights + much.activations }, [size])).toBe(true);
});

describe('in float16', () => {
  it('follows float32, and resumes to the bit', async () => {
    const wide = await run({ learningRate: 1e-2 });
    const half = await run({ learningRate: 1e-2, precision: 'float16' });
    for (const [i, loss] of wide.losses.entries()) expect(Math.abs((half.losses[i] ?? 0) / loss - 1)).toBeLessThan(5e-3);
    expect(half.losses).not.toEqual(wide.losses);
    const { last } = await run({ learningRate: 1e-2, precision: 'float16' }, 2);
    const resumed = await run({ learningRate: 1e-2, precision: 'float16', resume: last?.checkpoint() ?? new Uint8Array() });
    expect(resumed.lora.digest).toBe(half.lora.digest);
  });

  it('lowers the scale of a loss whose gradients overflow, and takes the step again', async () => {
    // A picture of such weight has gradients beyond float16's 65,504 after they are scaled.
    const examples = training.examples.slice(0, 1);
    const heavy = { examples, prior: options.prior ?? [], priorWeight: 1e7, weightDecay: 0, batchSize: 1, learningRate: 1e-30 };
    const { last } = await run({ ...heavy, precision: 'float16' }, 2);
    const { metadata } = decodeSafetensors(last?.checkpoint() ?? new Uint8Array());
    expect(JSON.parse(metadata.state ?? '{}').now.numbers.lossScale).toBeLessThan(2 ** 13);
    expect(near(await moments({ ...heavy, precision: 'float16' }, 2), await moments(heavy, 2))).toBeLessThan(2e-2);
  });
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

it('refuses to train on nothing, and at a resolution that the model does not have', async () => {
  await expect(run({ examples: [] })).rejects.toMatchObject({ code: 'bad_training' });
  await expect(run({ resolution: 60 })).rejects.toMatchObject({
    code: 'bad_training',
    message: expect.stringContaining('a multiple of 8 wanted'),
  });
});
