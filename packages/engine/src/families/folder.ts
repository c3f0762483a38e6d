import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { fileWeights } from '../checkpoint.ts';
import { InputError } from '../error.ts';
import type { Tensor } from '../graph/tensor.ts';
import { ClipTextConfig } from '../models/clip.ts';
import { UnetConfig } from '../models/unet.ts';
import { VaeConfig } from '../models/vae.ts';
import { familyOf } from './family.ts';
import type { Model, OpenTower } from './model.ts';

const Index = z.object({ force_zeros_for_empty_prompt: z.boolean().default(true) });

/** Opens a model in diffusers' folder layout. @throws InputError `bad_model` naming the file and what was wanted */
export async function readFolder(folder: string): Promise<Model> {
  const path = (...names: string[]) => join(folder, ...names);
  const unet = await readConfig(path('unet', 'config.json'), UnetConfig);
  const family = familyOf(unet);
  const open = async (tower: (typeof family.towers)[number]): Promise<OpenTower> => ({
    ...tower,
    config: await readConfig(path(tower.name, 'config.json'), ClipTextConfig),
    tokenizerFolder: path(tower.tokenizer),
  });
  const [first, ...others] = family.towers;
  const towers = [await open(first), ...(await Promise.all(others.map(open)))] as const;
  const files: Record<string, readonly string[]> = { unet: await weightFiles(path('unet'), 'diffusion_pytorch_model') };
  for (const { name } of towers) files[name] = await weightFiles(path(name), 'model');
  files.vae = await weightFiles(path('vae'), 'diffusion_pytorch_model');
  const { force_zeros_for_empty_prompt } = family.silence
    ? await readConfig(path('model_index.json'), Index)
    : { force_zeros_for_empty_prompt: false };
  return {
    folder,
    family,
    unet,
    towers,
    vae: await readConfig(path('vae', 'config.json'), VaeConfig),
    schedule: await readConfig(path('scheduler', 'scheduler_config.json'), z.unknown()),
    emptyIsSilent: force_zeros_for_empty_prompt,
    files,
    async weights(network, graph) {
      const parts = network === 'text' ? towers.map(({ name }) => name) : [network];
      const weights = new Map<string, Tensor>();
      for (const part of parts) {
        const named = (name: string) => `${part}.${network === 'text' ? wrapped(name) : name}`;
        for (const file of files[part] ?? []) {
          for (const [name, tensor] of await fileWeights(graph, file, named)) weights.set(name, tensor);
        }
      }
      return weights;
    },
  };
}

/** transformers 5 writes the text encoder's names without the wrapper that older files and all LoRA files have. */
const wrapped = (name: string) => (/^text_(?:model|projection)\./.test(name) ? name : `text_model.${name}`);

const Shards = z.object({ weight_map: z.record(z.string(), z.string().regex(/^[\w.-]+\.safetensors$/)) });

/** A network's files: one of full or of half precision, or several that an index names. */
async function weightFiles(folder: string, stem: string): Promise<string[]> {
  const isThere = (path: string) =>
    access(path).then(
      () => true,
      () => false,
    );
  for (const variant of ['', '.fp16']) {
    const whole = join(folder, `${stem}${variant}.safetensors`);
    if (await isThere(whole)) return [whole];
    const index = join(folder, `${stem}.safetensors.index${variant}.json`);
    if (!(await isThere(index))) continue;
    const { weight_map } = await readConfig(index, Shards);
    return [...new Set(Object.values(weight_map))].map((name) => join(folder, name));
  }
  throw new InputError('bad_model', `${join(folder, stem)}.safetensors cannot be read: the network's weights wanted`);
}

async function readConfig<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  const text = await readFile(path, 'utf8').catch((cause) => {
    throw new InputError('bad_model', `${path} cannot be read: a Stable Diffusion pipeline in diffusers' folder layout wanted`, {
      cause,
    });
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new InputError('bad_model', `${path} is not JSON`, { cause });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new InputError('bad_model', `${path}: ${issues.join('; ')}`);
}
