import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeHeader, parseHeader } from './index.ts';
import { triggerWords } from './trigger-words.ts';

/** The header of a file whose tensors are F16 and lie one behind the other. */
function headerOf(shapes: Record<string, number[]>, metadata: Record<string, string> = {}) {
  let at = 0;
  const entries = Object.entries(shapes).map(([name, shape]) => {
    const begin = at;
    at += 2 * shape.reduce((product, size) => product * size, 1);
    return [name, { dtype: 'F16', shape, data_offsets: [begin, at] }];
  });
  const json = new TextEncoder().encode(JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) }));
  return parseHeader(json, 8 + json.length + at, 'test.safetensors');
}

const toK = 'down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k';
const kohyaLayer = (id: string, rank: number, from: number, to: number) => ({
  [`${id}.lora_down.weight`]: [rank, from],
  [`${id}.lora_up.weight`]: [to, rank],
  [`${id}.alpha`]: [],
});

test.each([
  ['sd1', kohyaLayer(`lora_unet_${toK}`, 8, 768, 320)],
  ['sd2', kohyaLayer(`lora_unet_${toK}`, 8, 1024, 320)],
  ['sdxl', kohyaLayer('lora_unet_down_blocks_1_attentions_0_transformer_blocks_1_attn2_to_k', 8, 2048, 640)],
  ['sdxl', kohyaLayer('lora_te2_text_model_encoder_layers_0_self_attn_q_proj', 8, 1280, 1280)],
  [undefined, kohyaLayer(`lora_unet_${toK}`, 8, 48, 32)],
] as const)('the base is told by the layers: %s', (base, layers) => {
  expect(describeHeader(headerOf(layers))).toMatchObject({ base, formats: ['kohya'], ranks: [8], problems: [] });
});

test('ranks, alpha, coverage, a claim that the layers contradict', () => {
  const layers = {
    ...kohyaLayer(`lora_unet_${toK}`, 8, 768, 320),
    ...kohyaLayer('lora_unet_mid_block_resnets_0_time_emb_proj', 4, 1280, 1280),
    ...kohyaLayer('lora_te_text_model_encoder_layers_3_mlp_fc1', 8, 768, 3072),
  };
  const metadata = { ss_base_model_version: 'sdxl_base_v1-0', ss_network_alpha: '4.0' };
  expect(describeHeader(headerOf(layers, metadata))).toMatchObject({
    base: 'sd1',
    claimedBase: 'sdxl',
    ranks: [4, 8],
    alpha: 4,
    coverage: { unet: { adapted: 1, of: 192 }, text: { adapted: 1, of: 72 }, further: { adapted: 1 } },
    problems: [],
  });
});

test('what cannot be applied is named, and what is missing', () => {
  const dora = { ...kohyaLayer(`lora_unet_${toK}`, 8, 768, 320), [`lora_unet_${toK}.dora_scale`]: [320, 1] };
  const { unsupported, problems } = describeHeader(headerOf(dora));
  expect(unsupported).toMatchObject({ kind: 'dora', key: `lora_unet_${toK}.dora_scale` });
  expect(problems.map(({ code }) => code)).toEqual(['unsupported_lora']);
  const halved = describeHeader(headerOf({ [`lora_unet_${toK}.lora_down.weight`]: [8, 768] }));
  expect(halved.problems.map(({ message }) => message)).toEqual([expect.stringContaining('has no up half')]);
  const tilted = describeHeader(headerOf({ ...kohyaLayer(`lora_unet_${toK}`, 8, 768, 320), [`lora_unet_${toK}.alpha`]: [2] }));
  expect(tilted.problems.map(({ message }) => message)).toEqual([expect.stringContaining('alpha is [2]')]);
});

test.each([
  [{ 'modelspec.trigger_phrase': 'sks dog, in ink , sks dog' }, ['sks dog', 'in ink']],
  // 10 pictures: two tags on all of them in one folder, one of which is on nine in the other.
  [{ ss_tag_frequency: '{"10_a":{"sks":10,"dog":10,"grass":4},"1_b":{"sks":1}}' }, ['sks', 'dog']],
  [{ ss_tag_frequency: '{"1_a":{"a cat on a sofa":1,"a dog in the sun":1}}' }, []],
  [{ ss_tag_frequency: '{"1_a":{"sks":"many"}}' }, []],
  [{ ss_tag_frequency: 'not JSON' }, []],
  [{ ss_tag_frequency: JSON.stringify({ a: { ['x'.repeat(101)]: 9 } }) }, []],
  [{}, []],
])('trigger words of %j', (metadata: Record<string, string>, words) => expect(triggerWords(metadata)).toEqual(words));

test('needs nothing of Node, so that it runs at the edge too', () => {
  const sources = globSync('*.ts', { cwd: import.meta.dirname }).filter((name) => !name.endsWith('.test.ts'));
  expect(sources.length).toBeGreaterThan(10);
  const offending = sources.filter((name) =>
    /node:|\bBuffer\b|\bprocess\./.test(readFileSync(join(import.meta.dirname, name), 'utf8')),
  );
  expect(offending).toEqual([]);
});
