import { z } from 'zod';
import { InputError } from './error.ts';
import type { LoraFormat, LoraKey } from './format.ts';
import { isModule } from './modules.ts';

/** Endings that diffusers and PEFT gave a layer's name over the years; one file may mix them. */
const suffixes: [RegExp, LoraKey['part']][] = [
  [/(?:\.lora_A|\.lora\.down|\.lora_linear_layer\.down|_lora\.down)\.weight$/, 'down'],
  [/(?:\.lora_B|\.lora\.up|\.lora_linear_layer\.up|_lora\.up)\.weight$/, 'up'],
  [/\.alpha$/, 'alpha'],
];

export const networks = ['unet', 'text_encoder', 'text_encoder_2'];

/** The names of diffusers and PEFT: `unet.`, `text_encoder.` or `text_encoder_2.`, the layer's own name, suffix. */
export const diffusers: LoraFormat = {
  name: 'diffusers',
  parseKey(key) {
    const name = key.replace('base_model.model.', '').replace('.processor.', '.').replace('.default.', '.');
    for (const [suffix, part] of suffixes) {
      if (!suffix.test(name)) continue;
      const module = modernName(name.replace(suffix, ''));
      if (isModule(module)) return { module, part };
    }
    return undefined;
  },

  alphas(metadata) {
    const text = metadata.lora_adapter_metadata;
    if (text === undefined) return () => undefined;
    const config = parseAdapterMetadata(text);
    const adapters = new Map(networks.map((network) => [network, adapterOf(config, `${network}.`) ?? adapterOf(config, '')]));
    return (module, rank) => {
      const [network, name] = split(module);
      const adapter = adapters.get(network);
      return adapter && alphaOf(adapter, name, rank);
    };
  },
};

/** A layer's network and its name there. */
export function split(module: string): [network: string, name: string] {
  const [network = ''] = module.split('.', 1);
  return [network, module.slice(network.length + 1)];
}

/** A layer's name today, from the names of attention processors and of the years before the `unet.` prefix. */
function modernName(name: string): string {
  const [network] = split(name);
  const prefixed = networks.includes(network) ? name : `${network === 'text_model' ? 'text_encoder' : 'unet'}.${name}`;
  return prefixed
    .replace(/^(text_encoder(?:_2)?)\.encoder\./, '$1.text_model.encoder.')
    .replace(/\.self_attn\.to_(q|k|v|out)$/, '.self_attn.$1_proj')
    .replace(/\.to_out$/, '.to_out.0');
}

/** The fields of PEFT's LoraConfig that change what a LoRA does, with PEFT's defaults. */
const Adapter = z.object({
  r: z.int().positive().default(8),
  lora_alpha: z.number().default(8),
  rank_pattern: z.record(z.string(), z.int().positive()).nullish(),
  alpha_pattern: z.record(z.string(), z.number()).nullish(),
  use_rslora: z.boolean().nullish(),
  use_dora: z.boolean().nullish(),
  lora_bias: z.boolean().nullish(),
});
type Adapter = z.infer<typeof Adapter>;

function parseAdapterMetadata(text: string): Record<string, unknown> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch (cause) {
    throw new InputError('bad_lora', 'lora_adapter_metadata: a JSON object of LoraConfig fields wanted', { cause });
  }
}

/** The configuration of one network, whose fields are prefixed by its name. */
function adapterOf(config: Record<string, unknown>, prefix: string): Adapter | undefined {
  const fields = Object.entries(config).flatMap(([key, value]) =>
    key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [],
  );
  const ours = Object.fromEntries(fields);
  if (!('lora_alpha' in ours || 'r' in ours)) return undefined;
  const parsed = Adapter.safeParse(ours);
  if (!parsed.success) throw new InputError('bad_lora', `lora_adapter_metadata, ${prefix}: ${z.prettifyError(parsed.error)}`);
  const adapter = parsed.data;
  if (adapter.use_dora)
    throw new InputError('unsupported_lora', 'lora_adapter_metadata: use_dora; DoRA is not supported, plain LoRA wanted');
  if (adapter.lora_bias)
    throw new InputError('unsupported_lora', 'lora_adapter_metadata: lora_bias is not supported, plain LoRA wanted');
  return adapter;
}

/** Alpha such that alpha / rank is the scale: rank-stabilized LoRA (arXiv 2312.03732) divides by √rank instead. */
function alphaOf({ r, lora_alpha, rank_pattern, alpha_pattern, use_rslora }: Adapter, name: string, rank: number): number {
  const wanted = matching(rank_pattern, name) ?? r;
  if (wanted !== rank)
    throw new InputError('bad_lora', `lora_adapter_metadata gives ${name} rank ${wanted}, but its tensors have rank ${rank}`);
  const alpha = matching(alpha_pattern, name) ?? lora_alpha;
  return use_rslora ? alpha * Math.sqrt(rank) : alpha;
}

/**
 * The value whose key names this layer or the end of its name, as PEFT's `^(.*\.)?(KEY)$` does. Keys are taken literally:
 * an uploaded file's regular expressions are not run.
 */
function matching(patterns: Readonly<Record<string, number>> | null | undefined, name: string): number | undefined {
  for (const [pattern, value] of Object.entries(patterns ?? {})) {
    const [, anchor, body] = /^(\^?)((?:[\w-]|\\?\.)+)\$?$/.exec(pattern) ?? [];
    if (body === undefined) {
      throw new InputError(
        'unsupported_lora',
        `lora_adapter_metadata: the pattern ${pattern} is more than a layer's name; layers named one by one wanted`,
      );
    }
    const wanted = body.replaceAll('\\.', '.');
    if (name === wanted || (!anchor && name.endsWith(`.${wanted}`))) return value;
  }
  return undefined;
}
