import type { LoraSizes } from './format.ts';

/** The families of models that LoRA files are made for. */
export type Base = 'sd1' | 'sd2' | 'sdxl';

/** What tells a base, and how files name it. */
interface Signs {
  /** Width of the text features, which `attn2.to_k` reads. */
  context: number;
  /** sd-scripts' `ss_base_model_version`, and what other programs write there. */
  version: string;
  versions: RegExp;
  /** ModelSpec's architecture. */
  architecture: string;
  /** How many layers trainers adapt unless told otherwise, of the UNet and of all text encoders, and how many more the UNet has. */
  layers: { unet: number; text: number; further: number };
}

export const bases: Record<Base, Signs> = {
  sd1: {
    context: 768,
    version: 'sd_v1',
    versions: /^sd_?v?1/,
    architecture: 'stable-diffusion-v1/lora',
    layers: { unet: 192, text: 72, further: 90 },
  },
  sd2: {
    context: 1024,
    version: 'sd_v2',
    versions: /^sd_?v?2/,
    architecture: 'stable-diffusion-v2/lora',
    layers: { unet: 192, text: 138, further: 90 },
  },
  sdxl: {
    context: 2048,
    version: 'sdxl_base_v1-0',
    versions: /^sdxl/,
    architecture: 'stable-diffusion-xl-v1-base/lora',
    layers: { unet: 722, text: 264, further: 72 },
  },
};

const all: readonly Base[] = ['sd1', 'sd2', 'sdxl'];

/** The base that a LoRA's layers give away by their names and sizes; undefined if it might be several. */
export function baseOfModules(modules: ReadonlyMap<string, Pick<LoraSizes, 'inFeatures' | 'kernel'>>): Base | undefined {
  for (const [name, { inFeatures, kernel }] of modules) {
    if (/^text_encoder_2\.|\.add_embedding\.|\.transformer_blocks\.[1-9]/.test(name)) return 'sdxl';
    if (name.endsWith('.attn2.to_k')) {
      const base = all.find((candidate) => bases[candidate].context === inFeatures);
      if (base) return base;
    }
    // These are convolutions in Stable Diffusion 1 alone.
    if (/\.proj_(?:in|out)$/.test(name) && kernel) return 'sd1';
    // The first text encoder of XL is as wide as that of 1.
    if (name.startsWith('text_encoder.') && name.endsWith('.q_proj') && inFeatures === 1024) return 'sd2';
  }
  return undefined;
}

/** The base that the metadata names. */
export function baseOfMetadata(metadata: Readonly<Record<string, string>>): Base | undefined {
  const { ss_base_model_version: version, 'modelspec.architecture': architecture } = metadata;
  return (
    all.find((base) => version !== undefined && bases[base].versions.test(version)) ??
    all.find((base) => architecture === bases[base].architecture)
  );
}

/** What to write a LoRA for: sizes tell it better than metadata, which people copy; the most common base where neither does. */
export const baseOf = (modules: ReadonlyMap<string, LoraSizes>, metadata: Readonly<Record<string, string>>): Base =>
  baseOfModules(modules) ?? baseOfMetadata(metadata) ?? 'sd1';
