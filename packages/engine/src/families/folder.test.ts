import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cat, predictions } from '../../test/sdxl-expected.ts';
import * as tiny from '../../test/sdxl-tiny.ts';
import { readTensors, writeSafetensors } from '../files/safetensors.ts';
import { openPipeline } from './pipeline.ts';

describe('a folder', () => {
  let where: string;
  beforeAll(async () => {
    where = await mkdtemp(join(tmpdir(), 'sdxl-'));
  });
  afterAll(() => rm(where, { recursive: true }));

  it('may hold its weights in half precision, or in several files that an index names', async () => {
    await tiny.writeTinySdxl(where);
    const predicted = async () => {
      const pipeline = await openPipeline(where);
      const [prediction] = await predictions(pipeline, [cat]);
      await pipeline.close();
      return prediction;
    };
    const want = await predicted();
    expect(want?.length).toBe(512);
    const one = join(where, 'text_encoder');
    await rename(join(one, 'model.safetensors'), join(one, 'model.fp16.safetensors'));
    const whole = join(where, 'unet', 'diffusion_pytorch_model.safetensors');
    const { tensors } = await readTensors(whole);
    const names = [...tensors.keys()];
    const weight_map: Record<string, string> = {};
    for (const [i, part] of [names.slice(0, 50), names.slice(50)].entries()) {
      const file = `diffusion_pytorch_model-0000${i + 1}-of-00002.safetensors`;
      const own = part.flatMap((name) => {
        const tensor = tensors.get(name);
        weight_map[name] = file;
        return tensor ? [[name, { dtype: 'F32' as const, shape: tensor.shape, data: tensor.data }] as const] : [];
      });
      await writeSafetensors(join(where, 'unet', file), new Map(own));
    }
    await rm(whole);
    await writeFile(`${whole}.index.json`, JSON.stringify({ metadata: {}, weight_map }));
    expect(await predicted()).toEqual(want);
  });

  it.each([
    ['a refiner', { unet: { projection_class_embeddings_input_dim: 20 + 5 * 8 } }, 'a base model'],
    ['weights that the configuration does not know', { unet: { addition_embed_type: null } }, 'addition_embed_type'],
  ])('of %s is refused', async (_, changes, message) => {
    await rm(where, { recursive: true });
    await tiny.writeTinySdxl(where, changes);
    const opening = openPipeline(where).then(async (model) => model.programs.unet());
    await expect(opening).rejects.toMatchObject({ message: expect.stringContaining(message) });
  });
});
