import { type Names, renamed, unetBlocks } from './blocks.ts';
import type { LoraFormat } from './format.ts';
import { moduleOfUnderscored, underscored } from './modules.ts';

const parts = { 'lora_down.weight': 'down', 'lora_up.weight': 'up', alpha: 'alpha' } as const;
const isPart = (suffix: string): suffix is keyof typeof parts => Object.hasOwn(parts, suffix);

/** diffusers writes lora_te1, Stable Diffusion XL's name, for the text encoder of Stable Diffusion 1 as well. */
const networks: Record<string, string> = { unet: 'unet', te: 'text_encoder', te1: 'text_encoder', te2: 'text_encoder_2' };

const toDiffusers = unetBlocks().map(([original, diffusers]): Names => [underscored(original), underscored(diffusers)]);

/** The names of sd-scripts' `networks.lora`, which every web UI reads: prefix, name with underscores, part. */
export const kohya: LoraFormat = {
  name: 'kohya',
  parseKey(key) {
    const [, prefix = '', id = '', suffix = ''] =
      /^lora_(unet|te|te1|te2)_(.+?)\.(lora_down\.weight|lora_up\.weight|alpha)$/.exec(key) ?? [];
    const network = networks[prefix];
    if (!network || !isPart(suffix)) return undefined;
    // Looking the parts up takes long, and few files have them: most of the time of reading a small file it would be.
    const old = network === 'unet' && /^(?:(?:input|output)_blocks|middle_block|time_embed|label_emb|out)_\d/.test(id);
    const name = old ? (renamed(id, toDiffusers, '_') ?? id) : id;
    const module = moduleOfUnderscored(`${network}_${name}`);
    return module === undefined ? undefined : { module, part: parts[suffix] };
  },
};
