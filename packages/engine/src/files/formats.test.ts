import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Base, bases, isModule, isUsual, moduleOfUnderscored, unetBlocks } from '@loraloom/lora-files';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encoders, unets } from '../../test/published.ts';
import { targets } from '../families/family.ts';
import { randomFrom } from '../random.ts';
import { textShapes, unetShapes } from '../shapes.ts';
import { encodeDiffusers, encodeKohya, inspectLora, type Lora, type LoraModule, loraFrom, readLora } from './index.ts';
import { decodeSafetensors, encodeSafetensors, type TensorToStore } from './safetensors.ts';

const fixtures = fileURLToPath(new URL('../../fixtures/', import.meta.url));
const block = 'down_blocks.1.attentions.0.transformer_blocks.0';
const q = `unet.${block}.attn1.to_q`;
const names: Base[] = ['sd1', 'sd2', 'sdxl'];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'formats-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function file(bytes: Uint8Array): Promise<string> {
  const path = join(folder, `${Math.random()}.safetensors`);
  await writeFile(path, bytes);
  return path;
}
const readBytes = async (bytes: Uint8Array) => readLora(await file(bytes));
const readTensors = (tensors: Record<string, TensorToStore>, metadata: Record<string, string> = {}) =>
  readBytes(encodeSafetensors(new Map(Object.entries(tensors)), metadata));

const normal = (seed: number, length: number) => randomFrom(seed).fillNormal(new Float32Array(length));
const tensor = (...shape: number[]): TensorToStore => ({
  dtype: 'F32',
  shape,
  data: normal(
    shape.length,
    shape.reduce((a, b) => a * b, 1),
  ),
});

/** Every layer of a published model that LoRAs may adapt, by its diffusers name, with its sizes. */
function layersOf(base: Base): [name: string, dims: readonly number[]][] {
  const text = encoders[base].flatMap((config, i) =>
    textShapes(49_408, config).map(([name, dims]) => [`text_encoder${i ? '_2' : ''}.text_model.${name}`, dims] as const),
  );
  const unet = unetShapes(unets[base]).map(([name, dims]) => [`unet.${name}`, dims] as const);
  return [...unet, ...text].flatMap(([name, dims]): [string, readonly number[]][] => {
    const module = name.replace(/\.weight$/, '');
    return module !== name && isModule(module) ? [[module, dims]] : [];
  });
}

/** A small LoRA, each layer of another rank and alpha, of a base's first few layers of each kind. */
function loraOf(base: Base, { rank = 2, alpha = 3, grid = 1024 } = {}): Lora {
  const seen = new Set<string>();
  const modules = layersOf(base).flatMap(([name, [, context = 0, ...kernel]], i): [string, LoraModule][] => {
    const kind = name.replace(/\d+/g, 'N');
    if (seen.has(kind)) return [];
    seen.add(kind);
    // Small but for the width of the text, by which bases are told apart
    const [outFeatures, inFeatures] = [5, /attn2\.to_k$|text_encoder\..*q_proj$/.test(name) ? context : 6];
    const r = rank + (i % 2);
    const [height, width] = kernel;
    // On a grid that float16 holds, also after folding
    const half = (length: number, seed: number) => normal(seed, length).map((value) => Math.round(value * 64) / grid);
    const down = half(r * inFeatures * kernel.reduce((a, b) => a * b, 1), 2 * i);
    const shape = height && width ? { kernel: [height, width] as const } : {};
    return [
      [
        name,
        { down, up: half(outFeatures * r, 2 * i + 1), rank: r, inFeatures, outFeatures, alpha: i % 3 ? r : alpha, ...shape },
      ],
    ];
  });
  return loraFrom(new Map(modules));
}

/** α / rank · up · down, the change of the layer's weight. */
function delta({ down, up, rank, alpha, outFeatures }: LoraModule): Float64Array {
  const columns = down.length / rank;
  return Float64Array.from({ length: outFeatures * columns }, (_, i) => {
    let sum = 0;
    for (let r = 0; r < rank; r++)
      sum += (up[Math.floor(i / columns) * rank + r] ?? 0) * (down[r * columns + (i % columns)] ?? 0);
    return (sum * alpha) / rank;
  });
}

describe.each(names)('names of %s', (base) => {
  const layers = layersOf(base);

  it('are all that trainers adapt, and as many as they say', () => {
    const count = (which: (name: string) => boolean) => layers.filter(([name]) => which(name)).length;
    const { unet, text, further } = bases[base].layers;
    expect(count((name) => name.startsWith('unet.') && isUsual(name))).toBe(unet);
    expect(count((name) => name.startsWith('text_'))).toBe(text);
    expect(count((name) => name.startsWith('unet.') && !isUsual(name))).toBe(further);
    for (const [name] of layers.filter(([module]) => module.startsWith('unet.'))) {
      const ours = isUsual(name) ? targets.unet : targets.unetConvolutions;
      expect(ours.test(name), name).toBe(true);
    }
  });

  it('survive underscores, and no two become one', () => {
    const underscored = layers.map(([name]) => name.replaceAll('.', '_'));
    expect(new Set(underscored).size).toBe(layers.length);
    expect(underscored.map(moduleOfUnderscored)).toEqual(layers.map(([name]) => name));
  });
});

describe('the original names of blocks', () => {
  it.each([
    // As checkpoints have them: CompVis/stable-diffusion's v1-inference.yaml, and sd_xl_base.yaml with three levels
    ['input_blocks.0.0', 'conv_in'],
    ['input_blocks.1.0.in_layers.2', 'down_blocks.0.resnets.0.conv1'],
    ['input_blocks.3.0.op', 'down_blocks.0.downsamplers.0.conv'],
    ['input_blocks.4.0.skip_connection', 'down_blocks.1.resnets.0.conv_shortcut'],
    ['input_blocks.8.1', 'down_blocks.2.attentions.1'],
    ['input_blocks.11.0.emb_layers.1', 'down_blocks.3.resnets.1.time_emb_proj'],
    ['middle_block.1', 'mid_block.attentions.0'],
    ['middle_block.2.out_layers.3', 'mid_block.resnets.1.conv2'],
    ['output_blocks.2.1.conv', 'up_blocks.0.upsamplers.0.conv'],
    ['output_blocks.5.1', 'up_blocks.1.attentions.2'],
    ['output_blocks.5.2.conv', 'up_blocks.1.upsamplers.0.conv'],
    ['output_blocks.11.0.skip_connection', 'up_blocks.3.resnets.2.conv_shortcut'],
    ['time_embed.2', 'time_embedding.linear_2'],
    ['out.2', 'conv_out'],
  ])('%s is %s', (original, diffusers) => {
    expect(unetBlocks()).toContainEqual([original, diffusers]);
  });

  it.each([
    [
      'lora_unet_input_blocks_4_1_transformer_blocks_1_attn2_to_k',
      'unet.down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_k',
    ],
    [
      'lora_unet_output_blocks_0_1_transformer_blocks_9_ff_net_0_proj',
      'unet.up_blocks.0.attentions.0.transformer_blocks.9.ff.net.0.proj',
    ],
    ['lora_unet_middle_block_1_proj_in', 'unet.mid_block.attentions.0.proj_in'],
    ['lora_unet_input_blocks_7_0_in_layers_2', 'unet.down_blocks.2.resnets.0.conv1'],
    ['lora_unet_output_blocks_5_2_conv', 'unet.up_blocks.1.upsamplers.0.conv'],
    ['lora_unet_input_blocks_3_0_op', 'unet.down_blocks.0.downsamplers.0.conv'],
    ['lora_unet_down_blocks_0_resnets_0_conv1', 'unet.down_blocks.0.resnets.0.conv1'],
    ['lora_unet_conv_in', 'unet.conv_in'],
    ['lora_unet_time_embedding_linear_1', 'unet.time_embedding.linear_1'],
    ['lora_te1_text_model_encoder_layers_11_mlp_fc2', 'text_encoder.text_model.encoder.layers.11.mlp.fc2'],
    [
      'lora_te2_text_model_encoder_layers_31_self_attn_out_proj',
      'text_encoder_2.text_model.encoder.layers.31.self_attn.out_proj',
    ],
  ])('%s in kohya files', async (id, module) => {
    const lora = await readTensors({ [`${id}.lora_down.weight`]: tensor(2, 6), [`${id}.lora_up.weight`]: tensor(4, 2) });
    expect([...lora.modules.keys()]).toEqual([module]);
  });

  it.each([
    [`unet.base_model.model.${block}.attn1.to_q.lora_A.default.weight`, q],
    [`base_model.model.${block}.attn1.to_q.lora_A.weight`, q],
    ['base_model.model.text_model.encoder.layers.0.mlp.fc1.lora_A.weight', 'text_encoder.text_model.encoder.layers.0.mlp.fc1'],
    ['text_encoder_2.text_model.encoder.layers.0.mlp.fc1.lora_A.weight', 'text_encoder_2.text_model.encoder.layers.0.mlp.fc1'],
    ['unet.up_blocks.0.upsamplers.0.conv.lora_A.weight', 'unet.up_blocks.0.upsamplers.0.conv'],
    ['unet.mid_block.resnets.1.time_emb_proj.lora.down.weight', 'unet.mid_block.resnets.1.time_emb_proj'],
  ])('%s in files of diffusers and PEFT', async (down, module) => {
    const up = down.replace('lora_A', 'lora_B').replace('down.weight', 'up.weight');
    expect([...(await readTensors({ [down]: tensor(2, 6), [up]: tensor(4, 2) })).modules.keys()]).toEqual([module]);
  });
});

describe.each(names)('a LoRA of %s, written and read', (base) => {
  const encoders = { kohya: encodeKohya, diffusers: encodeDiffusers };

  it.each([
    ['kohya', 'F32'],
    ['kohya', 'F16'],
    ['diffusers', 'F32'],
    ['diffusers', 'F16'],
  ] as const)('as a %s file in %s is the same to the bit', async (format, dtype) => {
    const lora = loraOf(base);
    const back = await readBytes(encoders[format](lora, {}, { dtype, alpha: 'kept' }));
    expect(new Map([...back.modules].sort())).toEqual(new Map([...lora.modules].sort()));
    expect(back.dtype).toBe(dtype);
    // And once more, from format to format, in the type that it was read in
    const other = await readBytes(encoders[format === 'kohya' ? 'diffusers' : 'kohya'](back, {}, { alpha: 'kept' }));
    const third = encoders[format](other, back.metadata, { alpha: 'kept' });
    expect(decodeSafetensors(third).tensors).toEqual(
      decodeSafetensors(encoders[format](lora, {}, { dtype, alpha: 'kept' })).tensors,
    );
  });

  it('with folded alphas changes the layers by the same', async () => {
    const lora = loraOf(base, { alpha: 8, grid: 4096 });
    for (const encode of [encodeKohya, encodeDiffusers]) {
      const back = await readBytes(encode(lora, {}, { dtype: 'F32' }));
      for (const [name, module] of back.modules) {
        expect(module.alpha).toBe(module.rank);
        const [got, wanted] = [delta(module), delta(lora.modules.get(name) ?? expect.unreachable())];
        // α / rank is 8 / 3 on some layers: one rounding of `up` to float32
        for (const [i, value] of wanted.entries())
          expect(Math.abs((got[i] ?? Number.NaN) - value)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(value)));
      }
      expect([...back.modules.keys()].sort()).toEqual([...lora.modules.keys()].sort());
    }
  });

  it('has the names and the metadata of its base', () => {
    const lora = loraOf(base);
    const kohya = decodeSafetensors(encodeKohya(lora));
    const prefixes = new Set([...kohya.tensors.keys()].map((key) => /^lora_[a-z]+\d?/.exec(key)?.[0]));
    expect(prefixes).toEqual(new Set(base === 'sdxl' ? ['lora_unet', 'lora_te1', 'lora_te2'] : ['lora_unet', 'lora_te']));
    expect(kohya.metadata).toMatchObject({
      ss_base_model_version: { sd1: 'sd_v1', sd2: 'sd_v2', sdxl: 'sdxl_base_v1-0' }[base],
      'modelspec.architecture': {
        sd1: 'stable-diffusion-v1/lora',
        sd2: 'stable-diffusion-v2/lora',
        sdxl: 'stable-diffusion-xl-v1-base/lora',
      }[base],
    });
    // sd-scripts builds XL's UNet, and that alone, with the original's names.
    expect([...kohya.tensors.keys()].some((key) => key.startsWith('lora_unet_input_blocks_'))).toBe(base === 'sdxl');
    const diffusers = decodeSafetensors(encodeDiffusers(lora));
    expect(diffusers.tensors.size).toBe(2 * lora.modules.size);
    for (const key of diffusers.tensors.keys()) expect(key).toMatch(/^(unet|text_encoder(_2)?)\..+\.lora_[AB]\.weight$/);
    const adapter = JSON.parse(diffusers.metadata.lora_adapter_metadata ?? '');
    expect(diffusers.metadata.format).toBe('pt');
    expect(adapter).toMatchObject({ 'unet.use_dora': false, 'unet.use_rslora': false });
    expect(adapter['unet.r']).toBe(adapter['unet.lora_alpha']);
  });
});

describe('inspecting', () => {
  it('says what a file holds', async () => {
    const path = `${fixtures}sd-tiny/lora/ink.kohya.safetensors`;
    const report = await inspectLora(path);
    const lora = await readLora(path);
    expect(report).toMatchObject({
      formats: ['kohya'],
      base: 'sd1',
      digest: lora.digest,
      sizeBytes: (await readFile(path)).length,
      coverage: { unet: { adapted: 32, of: 192 }, text: { adapted: 8, of: 72 }, further: { adapted: 0, of: 90 } },
      unknownKeys: [],
      notFinite: [],
      problems: [],
    });
    expect(report.modules).toHaveLength(40);
    expect(report.modules.find(({ name }) => name === 'unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q')).toEqual(
      {
        name: 'unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q',
        rank: 4,
        alpha: 8,
        inFeatures: lora.modules.get('unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q')?.inFeatures,
        outFeatures: lora.modules.get('unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q')?.outFeatures,
      },
    );
    expect(report.unsupported).toBeUndefined();
  });

  it.each(names)('tells %s by its layers, and that the metadata says another', async (base) => {
    const claimed = base === 'sd1' ? 'sdxl_base_v1-0' : 'sd_v1';
    const report = await inspectLora(await file(encodeKohya(loraOf(base), { ss_base_model_version: claimed })));
    expect(report).toMatchObject({ base, claimedBase: base === 'sd1' ? 'sdxl' : 'sd1', problems: [] });
    expect(report.coverage.unet.of).toBe(bases[base].layers.unet);
    expect(report.coverage.further.adapted).toBeGreaterThan(4);
    expect(report.modules.find(({ kernel }) => kernel?.[0] === 3)).toBeDefined();
  });

  it.each([
    ['dora', { [`${q}.dora_scale`]: tensor(4, 1) }],
    ['tucker', { 'lora_unet_mid_block_resnets_0_conv1.lora_mid.weight': tensor(2, 2, 3, 3) }],
    ['loha', { 'lora_unet_conv_in.hada_w1_a': tensor(2, 2) }],
    ['lokr', { 'lora_unet_conv_in.lokr_w1': tensor(2, 2) }],
    ['oft', { 'lora_unet_conv_in.oft_blocks': tensor(2, 2) }],
    ['glora', { 'lora_unet_conv_in.a1.weight': tensor(2, 2) }],
  ])('names why a %s is refused, and what else is there', async (kind, more) => {
    const tensors = new Map(
      Object.entries({ [`${q}.lora_A.weight`]: tensor(2, 6), [`${q}.lora_B.weight`]: tensor(4, 2), ...more }),
    );
    const path = await file(encodeSafetensors(tensors));
    const report = await inspectLora(path);
    expect(report).toMatchObject({ formats: ['diffusers'], unsupported: { kind, key: Object.keys(more)[0] } });
    expect(report.modules.map(({ name }) => name)).toEqual([q]);
    // What readLora throws is the first of the problems.
    await expect(readLora(path)).rejects.toMatchObject({ code: 'unsupported_lora', message: report.problems[0]?.message });
  });

  it('names all that is wrong', async () => {
    const k = q.replace('to_q', 'to_k');
    const v = q.replace('to_q', 'to_v');
    const path = await file(
      encodeSafetensors(
        new Map<string, TensorToStore>([
          [`${q}.lora_A.weight`, { dtype: 'F32', shape: [1, 2], data: [1, Number.NaN] }],
          [`${q}.lora_B.weight`, tensor(4, 1)],
          [`${k}.lora_A.weight`, tensor(2, 6)],
          [`${v}.lora_A.weight`, tensor(2, 6)],
          [`${v}.lora_B.weight`, tensor(4, 3)],
          ['what.is.this', tensor(1)],
        ]),
      ),
    );
    const report = await inspectLora(path);
    expect(report.unknownKeys).toEqual(['what.is.this']);
    expect(report.notFinite).toEqual([`${q}.lora_A.weight`]);
    expect(report.modules.map(({ name }) => name)).toEqual([q]);
    expect(report.problems.map(({ message }) => message)).toEqual([
      expect.stringContaining('unknown keys: what.is.this'),
      expect.stringContaining('not finite'),
      expect.stringContaining('has no up half'),
      expect.stringContaining('down has rank 2, up has rank 3'),
    ]);
  });
});
