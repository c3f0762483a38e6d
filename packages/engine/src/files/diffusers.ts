import { baseOf, networks, split } from '@loraloom/lora-files';
import { type Halves, halvesOf } from './halves.ts';
import type { Lora, WriteOptions } from './lora.ts';
import { replaceFile } from './replace.ts';
import { encodeSafetensors, type TensorToStore } from './safetensors.ts';

/**
 * A LoRA as a diffusers file in memory, with the names that PEFT gives and every version of diffusers reads. The same LoRA and
 * metadata give the same bytes.
 * @param metadata added to what diffusers looks for
 * @throws InputError `not_finite` if a number does not fit into the type
 */
export function encodeDiffusers(
  lora: Lora,
  metadata: Readonly<Record<string, string>> = {},
  options: WriteOptions = {},
): Uint8Array<ArrayBuffer> {
  const { layers } = halvesOf(lora, baseOf(lora.modules, lora.metadata), options);
  const tensors = new Map<string, TensorToStore>();
  for (const [name, { down, up }] of layers) {
    tensors.set(`${name}.lora_A.weight`, down);
    tensors.set(`${name}.lora_B.weight`, up);
  }
  return encodeSafetensors(tensors, { ...metadata, format: 'pt', lora_adapter_metadata: adapterMetadata(layers) });
}

/** Writes `encodeDiffusers` to a file in one piece. */
export async function writeDiffusers(
  path: string,
  lora: Lora,
  metadata: Readonly<Record<string, string>> = {},
  options: WriteOptions = {},
): Promise<void> {
  await replaceFile(path, [encodeDiffusers(lora, metadata, options)]);
}

/** The fields of LoraConfig as diffusers writes them, the most common rank and alpha apart from those of single layers. */
function adapterMetadata(layers: ReadonlyMap<string, Halves>): string {
  const fields: [string, unknown][] = networks.flatMap((network) => {
    const own = [...layers].flatMap(([module, halves]) =>
      split(module)[0] === network ? [{ name: split(module)[1], ...halves }] : [],
    );
    const r = mostCommon(own.map(({ rank }) => rank));
    const alpha = mostCommon(own.map((layer) => layer.alpha));
    if (r === undefined || alpha === undefined) return [];
    const other = (value: (layer: Halves) => number, usual: number) =>
      Object.fromEntries(own.filter((layer) => value(layer) !== usual).map((layer) => [layer.name, value(layer)]));
    const config = {
      alpha_pattern: other((layer) => layer.alpha, alpha),
      lora_alpha: alpha,
      r,
      rank_pattern: other(({ rank }) => rank, r),
      target_modules: own.map(({ name }) => name).sort(),
      use_dora: false,
      use_rslora: false,
    };
    return Object.entries(config).map(([field, value]): [string, unknown] => [`${network}.${field}`, value]);
  });
  return JSON.stringify(Object.fromEntries(fields.sort(([a], [b]) => (a < b ? -1 : 1))), null, 2);
}

function mostCommon(values: readonly number[]): number | undefined {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
}
