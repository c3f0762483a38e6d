import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { arrange, fileWeights } from '../checkpoint.ts';
import { InputError } from '../error.ts';
import type { Dim, Graph, Tensor } from '../graph/tensor.ts';
import { Linear } from '../layers.ts';
import { ClipText, ClipTextConfig, hiddenStates, pooledText } from '../models/clip.ts';
import { Unet, UnetConfig, unet } from '../models/unet.ts';
import { decode, encode, Vae, VaeConfig } from '../models/vae.ts';
import { type Family, familyOf, type Tower, targets, tokenNames } from './family.ts';

export type Network = 'unet' | 'text' | 'vae';

/** A Stable Diffusion model: its configurations, and builders of its networks over weights that stay in their files. */
export interface Model {
  folder: string;
  family: Family;
  unet: UnetConfig;
  /** The family's text encoders, in its order. */
  towers: readonly [OpenTower, ...OpenTower[]];
  vae: VaeConfig;
  schedule: unknown;
  /** Whether an empty negative prompt means no text at all, which is zeros, rather than the features of an empty text. */
  emptyIsSilent: boolean;
  /** The weights' files by the network that they belong to, each name the prefix of its weights' names. */
  files: Readonly<Record<string, string>>;
  /** A network's weights by their names in the pipeline, such as `unet.conv_in.weight` or `text_encoder.text_model.final_layer_norm.bias`. */
  weights(network: Network, graph: Graph): Promise<Map<string, Tensor>>;
}

export interface OpenTower extends Tower {
  config: ClipTextConfig;
}

const Index = z.object({
  force_zeros_for_empty_prompt: z.boolean().optional(),
  requires_aesthetics_score: z.boolean().nullish(),
});

/** Opens a diffusers folder. @throws InputError `bad_model` naming the file and what was wanted */
export async function readModel(folder: string): Promise<Model> {
  const path = (...names: string[]) => join(folder, ...names);
  const family = familyOf(await readConfig(path('unet', 'config.json'), z.looseObject({})));
  const index = family.name === 'sdxl' ? await readConfig(path('model_index.json'), Index) : {};
  if (index.requires_aesthetics_score)
    throw new InputError('bad_model', `${folder}: a refiner, which finishes other models' pictures; a base model wanted`);
  const towers = await Promise.all(
    family.towers.map(async (tower) => ({ ...tower, config: await readConfig(path(tower.name, 'config.json'), ClipTextConfig) })),
  );
  const [first, ...rest] = towers;
  if (!first) throw new Error(`${family.name}: a text encoder wanted`);
  const files: Record<string, string> = {
    unet: path('unet', 'diffusion_pytorch_model.safetensors'),
    ...Object.fromEntries(towers.map(({ name }) => [name, path(name, 'model.safetensors')])),
    vae: path('vae', 'diffusion_pytorch_model.safetensors'),
  };
  return {
    folder,
    family,
    unet: await readConfig(path('unet', 'config.json'), UnetConfig),
    towers: [first, ...rest],
    vae: await readConfig(path('vae', 'config.json'), VaeConfig),
    schedule: await readConfig(path('scheduler', 'scheduler_config.json'), z.unknown()),
    emptyIsSilent: family.name === 'sdxl' && (index.force_zeros_for_empty_prompt ?? true),
    files,
    async weights(network, graph) {
      const parts = network === 'text' ? towers.map(({ name }) => name) : [network];
      const weights = new Map<string, Tensor>();
      for (const part of parts) {
        const named = (name: string) => `${part}.${network === 'text' ? wrapped(name) : name}`;
        for (const [name, tensor] of await fileWeights(graph, files[part] ?? '', named)) weights.set(name, tensor);
      }
      return weights;
    },
  };
}

/** transformers 5 writes the text encoder's names without the wrapper that older files and all LoRA files have. */
const wrapped = (name: string) => (/^text_(?:model|projection)\./.test(name) ? name : `text_model.${name}`);

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

/** A layer that a LoRA adapts: its name in LoRA files, and its sizes. */
export interface AdaptedLayer {
  module: string;
  inFeatures: number;
  outFeatures: number;
}

/** The dimensions of a LoRA's halves on a layer: pairs per picture when generating, one fixed pair when training. */
export type LoraShape = (layer: AdaptedLayer) => { down: readonly Dim[]; up: readonly Dim[] };

/** A set of LoRAs for each picture (or one set for all): `[batch or 1, r, in]` and `[batch or 1, out, r]`. */
export const perPicture: LoraShape = ({ inFeatures, outFeatures }) => ({
  down: [null, null, inFeatures],
  up: [null, outFeatures, null],
});

/** A network's weights by their names in the pipeline, with what adapts them. */
export interface Weights {
  tensors: Map<string, Tensor>;
  adapted: AdaptedLayer[];
}

/** A network's weights, or those of all text encoders. */
export const weightsOf = async (model: Model, network: Network, graph: Graph): Promise<Weights> => ({
  tensors: await model.weights(network, graph),
  adapted: [],
});

/** Adds LoRA inputs named `<module>.down` and `<module>.up`, the latter times `scale`, beside the layers that `pattern` names. */
export function adapt(
  { tensors }: Weights,
  network: 'unet' | 'text',
  graph: Graph,
  shape: LoraShape,
  pattern: RegExp = targets[network],
  scale = 1,
): Weights {
  const extended = new Map(tensors);
  const adapted: AdaptedLayer[] = [];
  for (const [name, tensor] of tensors) {
    const module = name.replace(/\.weight$/, '');
    if (module === name || !pattern.test(module)) continue;
    const found = { module, inFeatures: tensor.size(1), outFeatures: tensor.size(0) };
    const { down, up } = shape(found);
    extended.set(`${module}.lora.down`, graph.input(`${module}.down`, down));
    const upInput = graph.input(`${module}.up`, up);
    extended.set(`${module}.lora.up`, scale === 1 ? upInput : upInput.mul(scale));
    adapted.push(found);
  }
  return { tensors: extended, adapted };
}

/** The weights below a prefix, arranged as their type. */
function part<T>(schema: z.ZodType<T>, model: Model, { tensors }: Weights, prefix: string): T {
  const below = [...tensors].flatMap(([name, tensor]): [string, Tensor][] =>
    name.startsWith(`${prefix}.`) ? [[name.slice(prefix.length + 1), tensor]] : [],
  );
  return arrange(schema, new Map(below), model.files[prefix] ?? model.folder);
}

const TextWeights = z.strictObject({ text_model: ClipText, text_projection: Linear.optional() });

/** Named inputs, as `model.told` lists them. */
type Named = Readonly<Record<string, Tensor>>;

function wanted(tensors: Named, name: string): Tensor {
  const tensor = tensors[name];
  if (!tensor) throw new Error(`input ${name} is missing; given: ${Object.keys(tensors)}`);
  return tensor;
}

/** The tokens of a text to its features: `context` `[batch, 77, width]`, the text encoders' features side by side, and more where the family has it. */
export function buildText(model: Model, weights: Weights, tokens: Named): Record<string, Tensor> {
  const contexts: Tensor[] = [];
  let pooled: Tensor | undefined;
  for (const tower of model.towers) {
    const { text_model, text_projection } = part(TextWeights, model, weights, tower.name);
    const { ids, end } = tokenNames(tower);
    const states = hiddenStates(text_model, tower.config, wanted(tokens, ids));
    contexts.push(states[tower.context]);
    if (!tower.pooled) continue;
    if (!text_projection)
      throw new InputError('bad_checkpoint', `${model.files[tower.name]}: a text encoder with text_projection wanted`);
    pooled = pooledText(text_projection, states.last, wanted(tokens, end));
  }
  const [first, ...rest] = contexts;
  if (!first) throw new Error('a text encoder wanted');
  return { context: first.concat(rest, 2), ...(pooled ? { pooled } : {}) };
}

/** Noisy latents, timesteps, and what else the network is told about the pictures, to the model's prediction. */
export function buildUnet(model: Model, weights: Weights, sample: Tensor, timesteps: Tensor, told: Named): Tensor {
  const arranged = part(Unet, model, weights, 'unet');
  const { addition_embed_type, time_cond_proj_dim } = model.unet;
  if (Boolean(arranged.add_embedding) !== Boolean(addition_embed_type))
    throw new InputError('bad_checkpoint', `${model.files.unet}: add_embedding and addition_embed_type go together`);
  if (Boolean(arranged.time_embedding.cond_proj) !== Boolean(time_cond_proj_dim))
    throw new InputError('bad_checkpoint', `${model.files.unet}: time_embedding.cond_proj and time_cond_proj_dim go together`);
  const { pooled, sizes, guidance } = told;
  return unet(arranged, model.unet, sample, timesteps, { context: wanted(told, 'context'), pooled, sizes, guidance });
}

/** Pictures in −1 … 1 to the mean and log-variance of their latents, and latents back to pictures. */
export const buildEncoder = (model: Model, weights: Weights, pictures: Tensor) =>
  encode(part(Vae, model, weights, 'vae'), model.vae, pictures);
export const buildDecoder = (model: Model, weights: Weights, latents: Tensor) =>
  decode(part(Vae, model, weights, 'vae'), model.vae, latents);
