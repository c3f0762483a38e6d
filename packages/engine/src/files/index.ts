import { createHash } from 'node:crypto';
import { InputError } from '../error.ts';
import { diffusers } from './diffusers.ts';
import type { LoraFormat, LoraKey } from './format.ts';
import { kohya } from './kohya.ts';
import type { Lora, LoraModule } from './lora.ts';
import { readHeader, readTensors, type StoredTensor } from './safetensors.ts';

/** The formats of LoRA files. Which one it is is decided for every tensor by itself. */
const formats: LoraFormat[] = [kohya, diffusers];

/** Kinds of adapters that look like LoRAs, by their tensors' names. Read as plain LoRAs they would give wrong pictures. */
const unsupported: [RegExp, string][] = [
  [/\.dora_scale$|\.lora_magnitude_vector/, 'a DoRA'],
  [/\.lora_mid\./, 'a LoRA with Tucker decomposition'],
  [/\.hada_/, 'a LoHa'],
  [/\.lokr_/, 'a LoKr'],
  [/\.oft_|\.boft_/, 'an OFT adapter'],
  [/\.on_input$|\.ia3_/, 'an IA3 adapter'],
  [/\.diff(?:_b)?$/, 'a file of whole weight differences'],
  [/^bundle_emb\./, 'a LoRA bundled with embeddings'],
  [/\.lora_[AB](?:\.default)?\.bias$|\.lora_(?:down|up)\.bias$/, 'a LoRA with biases'],
  [/^lora_te[23]_|^text_encoder_[23]\./, 'a LoRA for Stable Diffusion XL or later'],
  [
    /^(?:lora_)?transformer[._]|^diffusion_model\.|^lora_unet_(?:double|single|joint)_blocks/,
    'a LoRA for a diffusion transformer',
  ],
  [
    /(?:^|[._])(?:resnets|downsamplers|upsamplers|conv_in|conv_out|time_embedding|time_embed|conv_norm_out)[._]/,
    'a LoRA on convolutions or time embeddings (LoCon)',
  ],
  [
    /^lora_unet_(?:input|output)_blocks_\d+_\d+_(?:in_layers|out_layers|emb_layers|skip_connection|op|conv)_/,
    'a LoRA on convolutions or time embeddings (LoCon)',
  ],
  [/^base_model\.model\.(?:model|transformer)\./, 'a LoRA for a language model'],
];

const wanted =
  'a LoRA on the attention and feed-forward layers of Stable Diffusion 1.x or 2.x, in kohya or diffusers format, wanted';

/**
 * Reads a LoRA file.
 * @throws InputError `bad_safetensors`, `unsupported_dtype` (the container), `unsupported_lora` (an adapter of another kind),
 *   `bad_lora` (unknown keys, missing halves, shapes that do not go together, numbers that are not finite)
 */
export async function readLora(path: string): Promise<Lora> {
  // Names first: a large file of something else is refused before it is read.
  const { tensors: entries } = await readHeader(path);
  const keys = parseKeys(entries.keys());
  const hash = createHash('sha256');
  const { metadata, tensors } = await readTensors(path, undefined, (bytes) => hash.update(bytes));
  const parts = new Map<string, Partial<Record<LoraKey['part'], StoredTensor>>>();
  for (const [key, tensor] of tensors) {
    const { module, part } = keys.get(key) ?? fail(`${key} appeared while the file was read`);
    const halves = parts.get(module) ?? {};
    if (halves[part]) fail(`${module} has two tensors that are its ${part}; the second is ${key}`);
    checkNumbers(key, tensor);
    parts.set(module, { ...halves, [part]: tensor });
  }
  const alphas = formats.flatMap((format) => format.alphas?.(metadata) ?? []);
  const modules = [...parts].map(([name, { down, up, alpha }]): [string, LoraModule] => {
    if (!down || !up) return fail(`${name} has no ${down ? 'up' : 'down'} half`);
    const [rank, inFeatures] = matrix(`${name}, down`, down);
    if (name.endsWith('.attn2.to_k') && inFeatures === 2048) unsupportedKind('a LoRA for Stable Diffusion XL', name);
    const [outFeatures, upRank] = matrix(`${name}, up`, up);
    if (rank !== upRank || rank === 0)
      fail(`${name}: down has rank ${rank}, up has rank ${upRank}; the same rank, 1 or more, wanted`);
    // A missing alpha means the rank, and so does 0 (sd-scripts networks/lora.py).
    const given = alpha ? scalar(name, alpha) : alphas.map((alphaOf) => alphaOf(name, rank)).find((value) => value !== undefined);
    return [name, { down: down.data, up: up.data, rank, inFeatures, outFeatures, alpha: given || rank }];
  });
  return { modules: new Map(modules), metadata, digest: hash.digest('hex') };
}

function fail(problem: string): never {
  throw new InputError('bad_lora', `${problem}; ${wanted}`);
}

function unsupportedKind(kind: string, key: string): never {
  throw new InputError('unsupported_lora', `this is ${kind} (it has ${key}), which is not supported; ${wanted}`);
}

function parseKeys(names: Iterable<string>): Map<string, LoraKey> {
  const keys = new Map<string, LoraKey>();
  const unknown: string[] = [];
  for (const name of names) {
    const kind = unsupported.find(([pattern]) => pattern.test(name));
    if (kind) unsupportedKind(kind[1], name);
    const key = formats.reduce<LoraKey | undefined>((found, format) => found ?? format.parseKey(name), undefined);
    if (key) keys.set(name, key);
    else unknown.push(name);
  }
  const more = unknown.length > 10 ? ` and ${unknown.length - 10} more` : '';
  if (unknown.length > 0) fail(`unknown keys: ${unknown.slice(0, 10).join(', ')}${more}`);
  if (keys.size === 0) fail('the file has no tensors');
  return keys;
}

/** The sizes of a half; those of a 1×1 convolution count as a matrix. */
function matrix(name: string, { shape }: StoredTensor): [number, number] {
  const [rows, columns, ...kernel] = shape;
  if (kernel.some((size) => size > 1)) {
    throw new InputError(
      'unsupported_lora',
      `${name} is [${shape}], a convolution wider than 1×1 (LoCon), which is not supported; ${wanted}`,
    );
  }
  if (rows === undefined || columns === undefined || (kernel.length !== 0 && kernel.length !== 2))
    return fail(`${name} is [${shape}]; a matrix wanted`);
  return [rows, columns];
}

function scalar(name: string, { shape, data }: StoredTensor): number {
  const [value] = data;
  return value !== undefined && data.length === 1 ? value : fail(`${name}: alpha is [${shape}]; one number wanted`);
}

function checkNumbers(key: string, { dtype, finite }: StoredTensor): void {
  if (!['F16', 'BF16', 'F32', 'F64'].includes(dtype)) fail(`${key} is ${dtype}; F16, BF16 or F32 wanted`);
  if (!finite) fail(`${key} holds numbers that are not finite`);
}

export { encodeKohya, type KohyaOptions, writeKohya } from './kohya.ts';
export { type Lora, type LoraModule, loraFrom } from './lora.ts';
