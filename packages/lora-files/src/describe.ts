import { type Base, baseOfMetadata, baseOfModules, bases } from './bases.ts';
import type { LoraSizes } from './format.ts';
import type { Header } from './header.ts';
import { layersOf, parseKeys } from './layers.ts';
import { isUsual } from './modules.ts';
import { triggerWords } from './trigger-words.ts';

/** How many layers of its base a LoRA adapts. */
export interface Coverage {
  adapted: number;
  /** Of so many; undefined if its base is not known. */
  of: number | undefined;
}

/** What a LoRA is made for, and how much of that it adapts. */
export interface Fit {
  /** The family of models, told by the layers or else by the metadata. */
  base: Base | undefined;
  /** What the metadata says, if it says another. */
  claimedBase?: Base;
  /** Layers that trainers adapt unless told otherwise, those of the text encoders, and convolutions and time embeddings. */
  coverage: Record<'unet' | 'text' | 'further', Coverage>;
}

export function fitOf(layers: ReadonlyMap<string, LoraSizes>, metadata: Readonly<Record<string, string>>): Fit {
  const [told, claimed] = [baseOfModules(layers), baseOfMetadata(metadata)];
  const base = told ?? claimed;
  const whole = base && bases[base].layers;
  const count = (which: (module: string) => boolean, of: number | undefined) => ({
    adapted: [...layers.keys()].filter(which).length,
    of,
  });
  return {
    base,
    ...(told && claimed && told !== claimed ? { claimedBase: claimed } : {}),
    coverage: {
      unet: count((module) => module.startsWith('unet.') && isUsual(module), whole?.unet),
      text: count((module) => module.startsWith('text_'), whole?.text),
      further: count((module) => module.startsWith('unet.') && !isUsual(module), whole?.further),
    },
  };
}

/**
 * What a LoRA file's header tells of it. The numbers behind it are not looked at, so a file without problems here may
 * still hold some that are not finite.
 */
export function describeHeader({ metadata, tensors }: Pick<Header, 'metadata' | 'tensors'>) {
  const { keys, formats, unsupported, problems } = parseKeys(tensors.keys());
  const read = layersOf(keys, tensors, metadata);
  return {
    formats,
    ...fitOf(read.layers, metadata),
    /** All that occur, ascending. */
    ranks: [...new Set([...read.layers.values()].map(({ rank }) => rank))].sort((a, b) => a - b),
    alpha: claimedAlpha(metadata),
    triggerWords: triggerWords(metadata),
    unsupported,
    problems: [...problems, ...read.problems],
  };
}

/** The alpha that kohya's metadata gives for all layers; the tensors of a file have the last word. */
function claimedAlpha({ ss_network_alpha: alpha }: Readonly<Record<string, string>>): number | undefined {
  const value = Number(alpha ?? Number.NaN);
  return Number.isFinite(value) && value > 0 ? value : undefined;
}
