import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomFrom } from '../random.ts';
import { encodeKohya, loraFrom, readLora } from './index.ts';
import { decodeSafetensors, encodeSafetensors, readTensors, type TensorToStore } from './safetensors.ts';

const fixtures = fileURLToPath(new URL('../../fixtures/', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lora-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type Tensors = Record<string, TensorToStore>;

async function read(tensors: Tensors, metadata: Record<string, string> = {}) {
  const path = join(folder, 'lora.safetensors');
  await writeFile(path, encodeSafetensors(new Map(Object.entries(tensors)), metadata));
  return readLora(path);
}

const tensor = (...shape: number[]): TensorToStore => ({
  dtype: 'F32',
  shape,
  data: randomFrom(shape.length, ...shape).fillNormal(new Float32Array(shape.reduce((product, n) => product * n, 1))),
});

const q = 'unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q';
const kohyaQ = 'lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q';
/** A LoRA of rank 2 on one layer, 6 → 4. */
const pair = (down: string, up: string): Tensors => ({ [down]: tensor(2, 6), [up]: tensor(4, 2) });
const kohyaPair = pair(`${kohyaQ}.lora_down.weight`, `${kohyaQ}.lora_up.weight`);
const diffusersPair = pair(`${q}.lora_A.weight`, `${q}.lora_B.weight`);

describe('the two LoRAs of the golden pipeline', () => {
  it.each([
    ['ink', 4, 8],
    ['neon', 2, 2],
  ])('%s is the same from kohya and diffusers files', async (name, rank, alpha) => {
    const kohya = await readLora(`${fixtures}sd-tiny/lora/${name}.kohya.safetensors`);
    const diffusers = await readLora(`${fixtures}sd-tiny/lora/${name}.diffusers.safetensors`);
    expect(kohya.modules).toEqual(diffusers.modules);
    expect(loraFrom(kohya.modules).digest).toBe(loraFrom(diffusers.modules).digest);
    // 4 transformers of 8 attention layers, 2 encoder layers of 4
    expect([...kohya.modules.keys()].filter((key) => key.startsWith('unet.'))).toHaveLength(32);
    expect([...kohya.modules.keys()].filter((key) => key.startsWith('text_encoder.text_model.encoder.layers.'))).toHaveLength(8);
    expect(new Set([...kohya.modules.values()].map((module) => `${module.rank} ${module.alpha}`))).toEqual(
      new Set([`${rank} ${alpha}`]),
    );
    const stored = (await readTensors(`${fixtures}sd-tiny/lora/${name}.diffusers.safetensors`)).tensors;
    expect(kohya.modules.get(q)).toMatchObject({
      down: stored.get(`${q}.lora_A.weight`)?.data,
      up: stored.get(`${q}.lora_B.weight`)?.data,
    });
    expect(kohya.metadata.ss_base_model_version).toBe('sd_v1');
  });
});

describe('names', () => {
  it('of all 264 layers of Stable Diffusion 1.5, in kohya and diffusers files', async () => {
    const [, ...rows] = (await readFile(`${fixtures}sd15-lora-modules.tsv`, 'utf8')).trim().split('\n');
    const layers = rows.map((row) => row.split('\t'));
    expect(layers).toHaveLength(264);
    const asKohya = layers.map(([kohya]) => pair(`${kohya}.lora_down.weight`, `${kohya}.lora_up.weight`));
    const asDiffusers = layers.map(([, module]) => pair(`${module}.lora_A.weight`, `${module}.lora_B.weight`));
    const [first, second] = [await read(Object.assign({}, ...asKohya)), await read(Object.assign({}, ...asDiffusers))];
    expect([...first.modules.keys()].sort()).toEqual(layers.map(([, module]) => module).sort());
    expect(loraFrom(second.modules).digest).toBe(loraFrom(first.modules).digest);
    const written = decodeSafetensors(encodeKohya(first)).tensors;
    expect([...written.keys()].filter((key) => key.endsWith('.alpha')).sort()).toEqual(
      layers.map(([kohya]) => `${kohya}.alpha`).sort(),
    );
    for (const [kohya, , kind] of layers)
      expect(written.get(`${kohya}.lora_down.weight`)?.shape).toEqual(kind === 'linear' ? [2, 6] : [2, 6, 1, 1]);
  });

  const attention = 'down_blocks.0.attentions.0.transformer_blocks.0.attn1';
  const text = 'text_encoder.text_model.encoder.layers.11';
  it.each([
    [`unet.${attention}.to_q.lora_A.weight`, q],
    [`unet.${attention}.to_q.lora_A.default.weight`, q],
    [`unet.${attention}.to_q.lora.down.weight`, q],
    [`unet.${attention}.processor.to_q_lora.down.weight`, q],
    [`${attention}.processor.to_q_lora.down.weight`, q],
    [`unet.base_model.model.${attention}.to_q.lora_A.weight`, q],
    [`base_model.model.${attention}.to_q.lora_A.weight`, q],
    [`unet.${attention}.processor.to_out_lora.down.weight`, `unet.${attention}.to_out.0`],
    [`unet.${attention}.to_out.0.lora.down.weight`, `unet.${attention}.to_out.0`],
    [
      'unet.mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj.lora_A.weight',
      'unet.mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj',
    ],
    ['unet.up_blocks.3.attentions.2.proj_out.lora_A.weight', 'unet.up_blocks.3.attentions.2.proj_out'],
    [`${text}.self_attn.q_proj.lora_linear_layer.down.weight`, `${text}.self_attn.q_proj`],
    [`${text}.self_attn.to_out_lora.down.weight`, `${text}.self_attn.out_proj`],
    [`${text}.mlp.fc1.lora_linear_layer.down.weight`, `${text}.mlp.fc1`],
    ['text_encoder.encoder.layers.11.mlp.fc2.lora_A.weight', `${text}.mlp.fc2`],
    [`${kohyaQ}.lora_down.weight`, q],
    ['lora_te_text_model_encoder_layers_11_self_attn_out_proj.lora_down.weight', `${text}.self_attn.out_proj`],
    ['lora_te1_text_model_encoder_layers_11_mlp_fc2.lora_down.weight', `${text}.mlp.fc2`],
    ['lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q.lora_down.weight', q],
    ['lora_unet_input_blocks_8_1_proj_in.lora_down.weight', 'unet.down_blocks.2.attentions.1.proj_in'],
    [
      'lora_unet_middle_block_1_transformer_blocks_0_ff_net_2.lora_down.weight',
      'unet.mid_block.attentions.0.transformer_blocks.0.ff.net.2',
    ],
    ['lora_unet_output_blocks_3_1_proj_out.lora_down.weight', 'unet.up_blocks.1.attentions.0.proj_out'],
    [
      'lora_unet_output_blocks_11_1_transformer_blocks_0_attn2_to_out_0.lora_down.weight',
      'unet.up_blocks.3.attentions.2.transformer_blocks.0.attn2.to_out.0',
    ],
  ])('%s', async (down, module) => {
    const up = down.replace('lora_A', 'lora_B').replace('down.weight', 'up.weight');
    const lora = await read(pair(down, up));
    expect(lora.modules).toEqual(
      new Map([[module, { down: tensor(2, 6).data, up: tensor(4, 2).data, rank: 2, inFeatures: 6, outFeatures: 4, alpha: 2 }]]),
    );
  });

  it('may be mixed within a file', async () => {
    const k = q.replace('to_q', 'to_k');
    const lora = await read({ ...kohyaPair, ...pair(`${k}.lora_A.weight`, `${k}.lora.up.weight`) });
    expect([...lora.modules.keys()].sort()).toEqual([k, q]);
  });
});

describe('numbers', () => {
  it.each(['F16', 'BF16', 'F32', 'F64'] as const)('are read from %s, alpha too', async (dtype) => {
    const lora = await read({
      [`${kohyaQ}.lora_down.weight`]: { dtype, shape: [1, 3], data: [1, -0.5, 3] },
      [`${kohyaQ}.lora_up.weight`]: { dtype, shape: [2, 1], data: [2, 0.25] },
      [`${kohyaQ}.alpha`]: { dtype, shape: [], data: [0.5] },
    });
    expect(lora.modules.get(q)).toEqual({
      down: Float32Array.of(1, -0.5, 3),
      up: Float32Array.of(2, 0.25),
      rank: 1,
      inFeatures: 3,
      outFeatures: 2,
      alpha: 0.5,
    });
  });

  it('of 1×1 convolutions are matrices', async () => {
    const flat = await read(kohyaPair);
    const lora = await read({
      [`${kohyaQ}.lora_down.weight`]: tensor(2, 6, 1, 1),
      [`${kohyaQ}.lora_up.weight`]: tensor(4, 2, 1, 1),
    });
    expect(lora.modules.get(q)).toMatchObject({ inFeatures: 6, outFeatures: 4, rank: 2 });
    expect(lora.modules.get(q)?.down).toHaveLength(flat.modules.get(q)?.down.length ?? 0);
  });

  it('alpha: each layer its own, [1] as well as [], and the rank if it is missing or 0', async () => {
    const part = (layer: string, alpha?: TensorToStore): Tensors => {
      const key = kohyaQ.replace('to_q', layer);
      return { ...pair(`${key}.lora_down.weight`, `${key}.lora_up.weight`), ...(alpha ? { [`${key}.alpha`]: alpha } : {}) };
    };
    const lora = await read({
      ...part('to_q', { dtype: 'F16', shape: [], data: [1] }),
      ...part('to_k', { dtype: 'F32', shape: [1], data: [4] }),
      ...part('to_v', { dtype: 'F32', shape: [], data: [0] }),
      ...part('to_out_0'),
    });
    const alphas = ['to_q', 'to_k', 'to_v', 'to_out.0'].map((layer) => lora.modules.get(q.replace('to_q', layer))?.alpha);
    expect(alphas).toEqual([1, 4, 2, 2]);
  });

  const adapter = { 'unet.r': 2, 'unet.lora_alpha': 6 };
  it.each<[string, object, number]>([
    ['its alpha', adapter, 6],
    ['unprefixed', { r: 2, lora_alpha: 6 }, 6],
    ['another network only', { 'text_encoder.r': 9, 'text_encoder.lora_alpha': 3 }, 2],
    ['PEFT defaults', { 'unet.r': 2 }, 8],
    ['rank-stabilized', { ...adapter, 'unet.use_rslora': true }, 6 * Math.SQRT2],
    ['an alpha pattern', { ...adapter, 'unet.alpha_pattern': { 'attn1.to_q': 3 } }, 3],
    [
      'an anchored alpha pattern',
      { ...adapter, 'unet.alpha_pattern': { '^down_blocks\\.0\\.attentions.0.transformer_blocks.0.attn1.to_q': 3 } },
      3,
    ],
    ['a pattern anchored elsewhere', { ...adapter, 'unet.alpha_pattern': { '^to_q': 3 } }, 6],
    ["a pattern of part of a layer's name", { ...adapter, 'unet.alpha_pattern': { o_q: 3 } }, 6],
    ['a rank pattern', { ...adapter, 'unet.r': 16, 'unet.rank_pattern': { to_q: 2 } }, 6],
  ])('alpha of diffusers files comes from the metadata: %s', async (_, config, alpha) => {
    const lora = await read(diffusersPair, { format: 'pt', lora_adapter_metadata: JSON.stringify(config) });
    expect(lora.modules.get(q)?.alpha).toBeCloseTo(alpha, 12);
  });

  it('digest is the SHA-256 of the file', async () => {
    const path = `${fixtures}sd-tiny/lora/ink.kohya.safetensors`;
    const wanted = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
    expect((await readLora(path)).digest).toBe(wanted);
  });

  it('digest of a LoRA from no file tells what it does, not how it was stored', async () => {
    const modulesOf = async (...of: Parameters<typeof read>) => loraFrom((await read(...of)).modules);
    const plain = await modulesOf(kohyaPair);
    const same = await modulesOf(diffusersPair, { format: 'pt', lora_adapter_metadata: '{"unet.r":2,"unet.lora_alpha":2}' });
    const stronger = await modulesOf({ ...kohyaPair, [`${kohyaQ}.alpha`]: { dtype: 'F32', shape: [], data: [3] } });
    expect(plain.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(same.digest).toBe(plain.digest);
    expect(stronger.digest).not.toBe(plain.digest);
    expect(loraFrom(new Map([...plain.modules].map(([, module]) => [q.replace('to_q', 'to_k'), module]))).digest).not.toBe(
      plain.digest,
    );
  });
});

describe('refusals', () => {
  it.each([
    ['DoRA', { ...kohyaPair, [`${kohyaQ}.dora_scale`]: tensor(4, 1) }],
    ['DoRA', { ...diffusersPair, [`${q}.lora_magnitude_vector`]: tensor(4) }],
    ['Tucker', { ...kohyaPair, [`${kohyaQ}.lora_mid.weight`]: tensor(2, 2) }],
    ['LoHa', { [`${kohyaQ}.hada_w1_a`]: tensor(2, 2) }],
    ['LoKr', { [`${kohyaQ}.lokr_w1`]: tensor(2, 2) }],
    ['OFT', { [`${kohyaQ}.oft_blocks`]: tensor(2, 2) }],
    ['IA3', { [`${kohyaQ}.on_input`]: tensor(1) }],
    ['weight differences', { [`${kohyaQ}.diff`]: tensor(2, 2) }],
    ['weight differences', { [`${kohyaQ}.diff_b`]: tensor(2) }],
    ['embeddings', { ...kohyaPair, 'bundle_emb.style.string_to_param.*': tensor(1, 6) }],
    ['biases', { ...diffusersPair, [`${q}.lora_B.bias`]: tensor(4) }],
    [
      'Stable Diffusion 3',
      pair('lora_te3_encoder_block_0_layer_0.lora_down.weight', 'lora_te3_encoder_block_0_layer_0.lora_up.weight'),
    ],
    ['scalars', { ...kohyaPair, [`${kohyaQ}.scalar`]: tensor() }],
    ['VeRA', { ...diffusersPair, [`${q}.vera_lambda_b`]: tensor(4) }],
    [
      'transformer',
      pair(
        'transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight',
        'transformer.single_transformer_blocks.0.attn.to_q.lora_B.weight',
      ),
    ],
    [
      'transformer',
      pair('lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight', 'lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight'),
    ],
    [
      'language model',
      pair(
        'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight',
        'base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight',
      ),
    ],
  ] satisfies [string, Tensors][])('names what is not supported: %s', async (kind, tensors) => {
    await expect(read(tensors)).rejects.toMatchObject({
      name: 'InputError',
      code: 'unsupported_lora',
      message: expect.stringContaining(kind),
    });
  });

  it.each<[string, object]>([
    ['use_dora', { 'unet.r': 2, 'unet.use_dora': true }],
    ['lora_bias', { 'unet.r': 2, 'unet.lora_bias': true }],
    ['pattern', { 'unet.r': 2, 'unet.alpha_pattern': { '(a+)+$': 1 } }],
  ])('names what is not supported in the metadata: %s', async (kind, config) => {
    const reading = read(diffusersPair, { lora_adapter_metadata: JSON.stringify(config) });
    await expect(reading).rejects.toMatchObject({ code: 'unsupported_lora', message: expect.stringContaining(kind) });
  });

  const [down, up] = [`${kohyaQ}.lora_down.weight`, `${kohyaQ}.lora_up.weight`];
  it.each<[string, Tensors, RegExp]>([
    ['no tensors', {}, /no tensors/],
    [
      'unknown keys, all of them named',
      { ...kohyaPair, 'what.is.this': tensor(1), 'and.this': tensor(1) },
      /unknown keys: and\.this, what\.is\.this;/,
    ],
    [
      'a layer that does not exist',
      pair('unet.down_blocks.0.attentions.0.to_z.lora_A.weight', 'unet.down_blocks.0.attentions.0.to_z.lora_B.weight'),
      /unknown keys: .*to_z/,
    ],
    [
      'a layer in words that kohya does not use',
      pair('lora_unet_down_blocks_0_attentions_0_to_z.lora_down.weight', 'x'),
      /unknown keys/,
    ],
    ['a model instead of a LoRA', { 'down_blocks.0.attentions.0.proj_in.weight': tensor(2, 2) }, /unknown keys/],
    ['no up half', { [down]: tensor(2, 6) }, /to_q has no up half/],
    ['no down half', { [up]: tensor(4, 2) }, /to_q has no down half/],
    ['alpha alone', { [`${kohyaQ}.alpha`]: tensor() }, /has no down half/],
    ['two ranks', { [down]: tensor(2, 6), [up]: tensor(4, 3) }, /down has rank 2, up has rank 3/],
    ['rank 0', { [down]: tensor(0, 6), [up]: tensor(4, 0) }, /rank 0/],
    ['a vector', { [down]: tensor(6), [up]: tensor(4, 1) }, /down is \[6\]; a matrix or a convolution wanted/],
    ['three dimensions', { [down]: tensor(2, 6, 1), [up]: tensor(4, 2) }, /a matrix or a convolution wanted/],
    [
      'a wide convolution where there is none',
      { [down]: tensor(2, 6, 3, 3), [up]: tensor(4, 2, 1, 1) },
      /down is \[2,6,3,3\], a convolution wider than 1×1/,
    ],
    ['two alphas', { ...kohyaPair, [`${kohyaQ}.alpha`]: tensor(2) }, /alpha is \[2\]; one number wanted/],
    ['the same half twice', { ...kohyaPair, ...diffusersPair }, /two tensors that are its (down|up)/],
    [
      'infinity',
      { ...kohyaPair, [up]: { dtype: 'F16', shape: [4, 2], data: [0, 0, 0, 0, 0, 0, 0, 1e6] } },
      /lora_up\.weight holds numbers that are not finite/,
    ],
    [
      'NaN for alpha',
      { ...kohyaPair, [`${kohyaQ}.alpha`]: { dtype: 'F32', shape: [], data: [Number.NaN] } },
      /alpha holds numbers that are not finite/,
    ],
    [
      'whole numbers',
      { ...kohyaPair, [down]: { dtype: 'I8', shape: [2, 6], data: new Float32Array(12) } },
      /is I8; F16, BF16 or F32 wanted/,
    ],
  ])('%s', async (_, tensors, message) => {
    await expect(read(tensors)).rejects.toMatchObject({
      name: 'InputError',
      code: 'bad_lora',
      message: expect.stringMatching(message),
    });
  });

  it.each<[string, string, RegExp]>([
    ['no JSON', '{', /lora_adapter_metadata: a JSON object/],
    ['a list', '[]', /a JSON object/],
    ['an alpha that is text', '{"unet.r":2,"unet.lora_alpha":"8"}', /lora_alpha/],
    ['another rank than the tensors', '{"unet.r":4,"unet.lora_alpha":8}', /rank 4, but its tensors have rank 2/],
  ])('metadata: %s', async (_, text, message) => {
    await expect(read(diffusersPair, { lora_adapter_metadata: text })).rejects.toMatchObject({
      code: 'bad_lora',
      message: expect.stringMatching(message),
    });
  });

  it('a pickle', async () => {
    const path = join(folder, 'lora.ckpt');
    await writeFile(path, Buffer.from('504b03040000080800000000', 'hex'));
    await expect(readLora(path)).rejects.toMatchObject({ code: 'bad_safetensors', message: expect.stringContaining('pickle') });
  });
});
