import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeKohya, type LoraModule, loraFrom, readLora, writeKohya } from './index.ts';
import { decodeSafetensors, readTensors } from './safetensors.ts';

const fixtures = fileURLToPath(new URL('../../fixtures/', import.meta.url));
const q = 'unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kohya-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** up · down · alpha / rank, by the definition: `[out, in]`. */
function delta({ up, down, rank, inFeatures, outFeatures, alpha }: LoraModule): number[] {
  return Array.from({ length: outFeatures * inFeatures }, (_, at) => {
    const [row, column] = [Math.floor(at / inFeatures), at % inFeatures];
    let sum = 0;
    for (let r = 0; r < rank; r++) sum += (up[row * rank + r] ?? Number.NaN) * (down[r * inFeatures + column] ?? Number.NaN);
    return (sum * alpha) / rank;
  });
}

describe('writing kohya files', () => {
  const uneven = () =>
    loraFrom(
      new Map([
        [
          q,
          { down: Float32Array.of(1, 2, 3, 4), up: Float32Array.of(1, -1), rank: 1, inFeatures: 4, outFeatures: 2, alpha: 0.5 },
        ],
        [
          'text_encoder.text_model.encoder.layers.0.mlp.fc1',
          { down: Float32Array.of(1, 2), up: Float32Array.of(3, 4), rank: 2, inFeatures: 1, outFeatures: 1, alpha: 6 },
        ],
      ]),
    );

  it('folds alphas, and read back the layers change by the same', async () => {
    const lora = uneven();
    const path = join(folder, 'written.safetensors');
    await writeKohya(path, lora);
    const back = await readLora(path);
    expect([...back.modules.keys()].sort()).toEqual([...lora.modules.keys()].sort());
    for (const [name, module] of back.modules) {
      expect(module.alpha).toBe(module.rank);
      const before = lora.modules.get(name);
      expect(delta(module)).toEqual(before && delta(before));
    }
    expect(delta(back.modules.get(q) ?? expect.unreachable())).toEqual([0.5, 1, 1.5, 2, -0.5, -1, -1.5, -2]);
    const { tensors } = await readTensors(path);
    expect(tensors.get('lora_te_text_model_encoder_layers_0_mlp_fc1.alpha')).toEqual({
      dtype: 'F16',
      shape: [],
      data: Float32Array.of(2),
      finite: true,
    });
  });

  it.each(['F16', 'BF16', 'F32'] as const)('is stable: read(write(x)) in %s is x once x is in it', async (dtype) => {
    const path = join(folder, 'stable.safetensors');
    await writeKohya(path, await readLora(`${fixtures}sd-tiny/lora/ink.kohya.safetensors`), {}, { dtype });
    const first = await readLora(path);
    await writeKohya(path, first, {}, { dtype });
    const second = await readLora(path);
    expect(second.digest).toBe(first.digest);
    expect(second.modules).toEqual(first.modules);
  });

  it('keeps float32 to the bit and float16 to half a unit in the last place', async () => {
    const neon = await readLora(`${fixtures}sd-tiny/lora/neon.kohya.safetensors`);
    const path = join(folder, 'neon.safetensors');
    await writeKohya(path, neon, {}, { dtype: 'F32' });
    expect(loraFrom((await readLora(path)).modules).digest).toBe(loraFrom(neon.modules).digest);
    await writeKohya(path, neon);
    for (const [name, { down }] of (await readLora(path)).modules) {
      const exact = neon.modules.get(name)?.down ?? new Float32Array();
      expect(
        down.every((value, i) => Math.abs(value - (exact[i] ?? Number.NaN)) <= Math.max(Math.abs(value) * 2 ** -11, 2 ** -25)),
      ).toBe(true);
    }
  });

  it('says what other programs look for', async () => {
    const bytes = encodeKohya(uneven(), { ss_output_name: 'ink', 'modelspec.title': 'Ink' });
    const { metadata } = decodeSafetensors(bytes);
    expect(metadata).toMatchObject({
      ss_v2: 'False',
      ss_base_model_version: 'sd_v1',
      ss_network_module: 'networks.lora',
      ss_network_dim: 'Dynamic',
      ss_network_args: '{}',
      ss_output_name: 'ink',
      'modelspec.title': 'Ink',
      'modelspec.sai_model_spec': '1.0.1',
      'modelspec.architecture': 'stable-diffusion-v1/lora',
    });
    const dataBegin = 8 + Number(Buffer.from(bytes).readBigUInt64LE());
    expect(metadata.sshs_model_hash).toBe(createHash('sha256').update(bytes.subarray(dataBegin)).digest('hex'));
    expect(Buffer.compare(bytes, encodeKohya(uneven(), { ss_output_name: 'ink', 'modelspec.title': 'Ink' }))).toBe(0);
  });

  it('writes projections as Stable Diffusion 2 has them when it is one', async () => {
    const module = { down: new Float32Array(1024), up: new Float32Array(4), rank: 1, inFeatures: 1024, outFeatures: 4, alpha: 1 };
    const { tensors, metadata } = decodeSafetensors(
      encodeKohya(
        loraFrom(
          new Map([
            ['unet.mid_block.attentions.0.proj_in', module],
            ['unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k', module],
          ]),
        ),
      ),
    );
    expect(tensors.get('lora_unet_mid_block_attentions_0_proj_in.lora_down.weight')?.shape).toEqual([1, 1024]);
    expect(metadata).toMatchObject({ ss_v2: 'True', ss_base_model_version: 'sd_v2', ss_network_dim: '1' });
  });

  it.each([70_000, Number.NaN, Number.NEGATIVE_INFINITY])('refuses to write %d in float16', (value) => {
    const module = { down: Float32Array.of(value), up: Float32Array.of(1), rank: 1, inFeatures: 1, outFeatures: 1, alpha: 1 };
    expect(() => encodeKohya(loraFrom(new Map([[q, module]])))).toThrowError(
      expect.objectContaining({ name: 'InputError', code: 'not_finite' }),
    );
  });
});
