import { createHash } from 'node:crypto';
import { InputError } from '../error.ts';
import type { LoraFormat } from './format.ts';
import type { Lora } from './lora.ts';
import { moduleOfUnderscored } from './modules.ts';
import { replaceFile } from './replace.ts';
import { encodeSafetensors, type TensorToStore } from './safetensors.ts';

/** The names of sd-scripts' `networks.lora`, which every web UI reads: prefix, diffusers name with underscores, part. */
export const kohya: LoraFormat = {
  parseKey(key) {
    const [, network, id, suffix] = /^lora_(unet|te1?)_(.+?)\.(lora_down\.weight|lora_up\.weight|alpha)$/.exec(key) ?? [];
    if (!network || !id || !suffix) return undefined;
    // diffusers writes lora_te1, Stable Diffusion XL's name, for the text encoder of Stable Diffusion 1 as well.
    const module = moduleOfUnderscored(network === 'unet' ? `unet_${fromLdm(id)}` : `text_encoder_${id}`);
    const parts = { 'lora_down.weight': 'down', 'lora_up.weight': 'up', alpha: 'alpha' } as const;
    if (!module || !isOneOf(suffix, parts)) return undefined;
    return { module, part: parts[suffix] };
  },
};

const isOneOf = <T extends object>(key: PropertyKey, of: T): key is keyof T => Object.hasOwn(of, key);

/** Blocks as the original Stable Diffusion 1.x code counts them, to diffusers' names; other names stay. */
function fromLdm(id: string): string {
  const [, side, number, rest] = /^(input_blocks|output_blocks)_(\d+)_1_(.+)$/.exec(id) ?? [];
  if (!side || !number || !rest) return id.replace(/^middle_block_1_/, 'mid_block_attentions_0_');
  // Three blocks a level: on the way down two with attention and one that halves, behind conv_in; on the way up three.
  const n = Number(number) - (side === 'input_blocks' ? 1 : 0);
  const name = side === 'input_blocks' ? 'down_blocks' : 'up_blocks';
  return `${name}_${Math.floor(n / 3)}_attentions_${n % 3}_${rest}`;
}

export interface KohyaOptions {
  /** How numbers are stored. */
  dtype?: 'F16' | 'BF16' | 'F32';
}

/**
 * A LoRA as a kohya file in memory. Alphas are folded into `up`, so that alpha equals the rank of every layer: readers that know
 * only one alpha per file are right too. The same LoRA and metadata give the same bytes.
 * @param metadata added to what other programs look for, or in its place
 * @throws InputError `not_finite` if a number does not fit into `dtype`
 */
export function encodeKohya(
  lora: Lora,
  metadata: Readonly<Record<string, string>> = {},
  { dtype = 'F16' }: KohyaOptions = {},
): Uint8Array<ArrayBuffer> {
  const base = metadata.ss_base_model_version ?? lora.metadata.ss_base_model_version ?? baseOf(lora);
  const version = base.startsWith('sd_v2') ? 2 : 1;
  const tensors = new Map<string, TensorToStore>();
  for (const [name, { down, up, rank, inFeatures, outFeatures, alpha }] of lora.modules) {
    const key = name
      .replace(/^unet\./, 'lora_unet.')
      .replace(/^text_encoder\./, 'lora_te.')
      .replaceAll('.', '_');
    const folded = alpha === rank ? up : up.map((value) => (value * alpha) / rank);
    for (const values of [down, folded]) checkFits(name, values, dtype);
    // These two are 1×1 convolutions in Stable Diffusion 1; readers tell the versions apart by it.
    const kernel = version === 1 && /\.proj_(?:in|out)$/.test(name) ? [1, 1] : [];
    tensors.set(`${key}.lora_down.weight`, { dtype, shape: [rank, inFeatures, ...kernel], data: down });
    tensors.set(`${key}.lora_up.weight`, { dtype, shape: [outFeatures, rank, ...kernel], data: folded });
    tensors.set(`${key}.alpha`, { dtype, shape: [], data: [rank] });
  }
  const bare = encodeSafetensors(tensors);
  const dataBegin = 8 + Number(new DataView(bare.buffer).getBigUint64(0, true));
  const hash = createHash('sha256').update(bare.subarray(dataBegin)).digest('hex');
  return encodeSafetensors(tensors, { ...describe(lora, base, version), ...metadata, sshs_model_hash: hash });
}

/** Writes `encodeKohya` to a file in one piece. */
export async function writeKohya(
  path: string,
  lora: Lora,
  metadata: Readonly<Record<string, string>> = {},
  options: KohyaOptions = {},
): Promise<void> {
  await replaceFile(path, [encodeKohya(lora, metadata, options)]);
}

function checkFits(name: string, values: Float32Array, dtype: 'F16' | 'BF16' | 'F32'): void {
  // 65520 is the least number that float16 rounds to infinity; comparing this way catches NaN as well.
  const limit = dtype === 'F16' ? 65520 : Number.MAX_VALUE;
  if (!values.every((value) => Math.abs(value) < limit)) {
    throw new InputError(
      'not_finite',
      `${name} holds a number that ${dtype} cannot: the training diverged; a lower learning rate wanted`,
    );
  }
}

/** The base that the text features' width gives away. */
const baseOf = ({ modules }: Lora): string =>
  [...modules].some(([name, { inFeatures }]) => name.endsWith('.attn2.to_k') && inFeatures === 1024) ? 'sd_v2' : 'sd_v1';

/** What sd-scripts calls the minimum (SS_METADATA_MINIMUM_KEYS), and ModelSpec 1.0.1. */
function describe({ modules }: Lora, base: string, version: number): Record<string, string> {
  const ranks = new Set([...modules.values()].map(({ rank }) => rank));
  const rank = ranks.size === 1 ? [...ranks].join() : 'Dynamic';
  return {
    ss_v2: version === 2 ? 'True' : 'False',
    ss_base_model_version: base,
    ss_network_module: 'networks.lora',
    ss_network_dim: rank,
    ss_network_alpha: rank,
    ss_network_args: '{}',
    'modelspec.sai_model_spec': '1.0.1',
    'modelspec.architecture': `stable-diffusion-v${version}/lora`,
    'modelspec.implementation': 'diffusers',
    'modelspec.prediction_type': 'epsilon',
  };
}
