import { createHash } from 'node:crypto';
import { type Base, baseOf, bases, type Names, renamed, underscored, unetBlocks } from '@loraloom/lora-files';
import { halvesOf } from './halves.ts';
import type { Lora, LoraDType, WriteOptions } from './lora.ts';
import { replaceFile } from './replace.ts';
import { decodeSafetensors, encodeSafetensors, type TensorToStore } from './safetensors.ts';

const toOriginal = unetBlocks().map(([original, diffusers]): Names => [underscored(diffusers), underscored(original)]);

/** A layer's name as sd-scripts writes it: it builds Stable Diffusion XL's UNet, and that alone, with the original's names. */
function idOf(module: string, base: Base): string {
  const [, network, name = ''] = /^(unet|text_encoder|text_encoder_2)\.(.+)$/.exec(module) ?? [];
  const id = underscored(name);
  if (network === 'unet') return `lora_unet_${base === 'sdxl' ? (renamed(id, toOriginal, '_') ?? id) : id}`;
  if (network === 'text_encoder_2') return `lora_te2_${id}`;
  return `lora_te${base === 'sdxl' ? '1' : ''}_${id}`;
}

/**
 * A LoRA as a kohya file in memory. The same LoRA and metadata give the same bytes.
 * @param metadata added to what other programs look for, or in its place
 * @throws InputError `not_finite` if a number does not fit into the type
 */
export function encodeKohya(
  lora: Lora,
  metadata: Readonly<Record<string, string>> = {},
  options: WriteOptions = {},
): Uint8Array<ArrayBuffer> {
  const base = baseOf(lora.modules, { ...lora.metadata, ...metadata });
  const { layers, dtype } = halvesOf(lora, base, options);
  const tensors = new Map<string, TensorToStore>();
  for (const [name, { down, up, alpha }] of layers) {
    const id = idOf(name, base);
    tensors.set(`${id}.lora_down.weight`, down);
    tensors.set(`${id}.lora_up.weight`, up);
    tensors.set(`${id}.alpha`, { dtype: holding(alpha, dtype), shape: [], data: [alpha] });
  }
  const bare = encodeSafetensors(tensors);
  const dataBegin = 8 + Number(new DataView(bare.buffer).getBigUint64(0, true));
  const hash = createHash('sha256').update(bare.subarray(dataBegin)).digest('hex');
  return encodeSafetensors(tensors, { ...describe(lora, base, options), ...metadata, sshs_model_hash: hash });
}

/** Writes `encodeKohya` to a file in one piece. */
export async function writeKohya(
  path: string,
  lora: Lora,
  metadata: Readonly<Record<string, string>> = {},
  options: WriteOptions = {},
): Promise<void> {
  await replaceFile(path, [encodeKohya(lora, metadata, options)]);
}

/** Alphas have the type of the weights, unless that would change their value. */
function holding(alpha: number, dtype: LoraDType): LoraDType {
  const { tensors } = decodeSafetensors(encodeSafetensors(new Map([['alpha', { dtype, shape: [], data: [alpha] }]])));
  return tensors.get('alpha')?.data[0] === alpha ? dtype : 'F32';
}

/** What sd-scripts calls the minimum (SS_METADATA_MINIMUM_KEYS), and ModelSpec 1.0.1. */
function describe({ modules }: Lora, base: Base, { alpha = 'folded' }: WriteOptions): Record<string, string> {
  const common = (values: Iterable<number>) => {
    const distinct = new Set(values);
    return distinct.size === 1 ? [...distinct].join() : 'Dynamic';
  };
  const all = [...modules.values()];
  return {
    ss_v2: base === 'sd2' ? 'True' : 'False',
    ss_base_model_version: bases[base].version,
    ss_network_module: 'networks.lora',
    ss_network_dim: common(all.map(({ rank }) => rank)),
    ss_network_alpha: common(all.map((module) => (alpha === 'folded' ? module.rank : module.alpha))),
    ss_network_args: '{}',
    'modelspec.sai_model_spec': '1.0.1',
    'modelspec.architecture': bases[base].architecture,
    'modelspec.implementation': 'diffusers',
    'modelspec.prediction_type': 'epsilon',
  };
}
