import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectedPrediction } from '../../test/sdxl-expected.ts';
import * as tiny from '../../test/sdxl-tiny.ts';
import { loraFrom } from '../files/lora.ts';
import { randomFrom } from '../random.ts';
import { loraObjective, modulesOf } from '../train/objective.ts';
import { framing, tokens } from './conditions.ts';
import { openPipeline, type Pipeline } from './pipeline.ts';

describe('training', () => {
  let small: Pipeline;
  let where: string;
  beforeAll(async () => {
    where = await mkdtemp(join(tmpdir(), 'sdxl-'));
    await tiny.writeTinySdxl(where, { unet: { sample_size: 4 } });
    small = await openPipeline(where);
  });
  afterAll(async () => {
    await small.close();
    await rm(where, { recursive: true });
  });

  it("has the reference's loss, and its slope in the direction of each network's LoRAs", async () => {
    const { trained, evaluate, close } = await loraObjective(
      small,
      {
        rank: 2,
        alpha: 1,
        seed: 3,
        targets: 'attention+ff',
        trainTextEncoder: true,
      },
      { batch: 1, height: 4, width: 4 },
    );
    const random = randomFrom(4);
    for (const { name, dims, begin, end } of trained.layout) {
      const scale = name.endsWith('.up') ? 0.5 : 1 / Math.sqrt(dims[1] ?? 1);
      trained.values.set(
        random.fillNormal(new Float32Array(end - begin)).map((value) => value * scale),
        begin,
      );
    }
    const frame = { width: 16, height: 16, original: { width: 40, height: 30 }, crop: { left: 0, top: 5 } };
    const [sample, target] = [1, 2].map(() => ({ data: random.fillNormal(new Float32Array(64)), dims: [1, 4, 4, 4] }));
    if (!sample || !target) throw new Error('two wanted');
    const { loss, gradients } = await evaluate(trained, {
      sample,
      target,
      timesteps: { data: Float32Array.of(700), dims: [1] },
      weight: { data: Float32Array.of(1), dims: [1] },
      ...tokens(small, ['a cat']),
      ...framing(small.model, frame),
    });
    const lossByReference = async (values: Float32Array) => {
      const picture = {
        height: 4,
        text: 'a cat',
        timestep: 700,
        latents: sample.data,
        frame,
        lora: loraFrom(modulesOf({ ...trained, values }, 2, 1)),
      };
      const predicted = await expectedPrediction(small, picture);
      return predicted.reduce((sum, value, i) => sum + (value - (target.data[i] ?? 0)) ** 2, 0) / 64;
    };
    expect(Math.abs(loss / (await lossByReference(trained.values)) - 1)).toBeLessThan(1e-4);
    for (const network of ['unet.', 'text_encoder.', 'text_encoder_2.']) {
      const step = 1e-3;
      const direction = new Float32Array(trained.values.length);
      for (const { name, begin, end } of trained.layout)
        if (name.startsWith(network)) direction.set(random.fillNormal(new Float32Array(end - begin)), begin);
      const moved = (by: number) => lossByReference(trained.values.map((value, i) => value + by * (direction[i] ?? 0)));
      const slope = ((await moved(step)) - (await moved(-step))) / (2 * step);
      const got = gradients.reduce((sum, value, i) => sum + value * (direction[i] ?? 0), 0);
      expect(Math.abs(got / slope - 1), network).toBeLessThan(2e-3);
    }
    // The first encoder's last layer has no say: the context is what goes into it.
    const layers = new Set(trained.layout.map(({ name }) => /^text_encoder\w*\.text_model\.encoder\.layers\.\d/.exec(name)?.[0]));
    expect([...layers].filter((name) => name !== undefined).sort()).toEqual([
      'text_encoder.text_model.encoder.layers.0',
      'text_encoder.text_model.encoder.layers.1',
      'text_encoder_2.text_model.encoder.layers.0',
      'text_encoder_2.text_model.encoder.layers.1',
    ]);
    await close();
  });
});
