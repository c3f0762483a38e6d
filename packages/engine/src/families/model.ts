import { z } from 'zod';
import { arrange } from '../checkpoint.ts';
import { InputError } from '../error.ts';
import type { Dim } from '../graph/dims.ts';
import type { Graph } from '../graph/graph.ts';
import type { Tensor } from '../graph/tensor.ts';
import { Linear } from '../layers.ts';
import { ClipText, type ClipTextConfig, hiddenStates, pooledText } from '../models/clip.ts';
import { Unet, type UnetConfig, unet } from '../models/unet.ts';
import { decode, encode, Vae, type VaeConfig } from '../models/vae.ts';
import { type Family, type Tower, targets, tokenNames } from './family.ts';

export type Network = 'unet' | 'text' | 'vae';

/** A Stable Diffusion model: its configurations, and its networks' weights, which stay in their files. */
export interface Model {
  folder: string;
  family: Family;
  unet: UnetConfig;
  /** The family's text encoders, in its order. */
  towers: readonly [OpenTower, ...OpenTower[]];
  vae: VaeConfig;
  /** The contents of scheduler_config.json. */
  schedule: unknown;
  /** Whether an empty negative prompt means no text at all, which is zeros, rather than the features of an empty text. */
  emptyIsSilent: boolean;
  /** The weights' files by the network that they belong to. */
  files: Readonly<Record<string, readonly string[]>>;
  /** A network's weights (`text`: all text encoders') by their names in the pipeline, such as `unet.conv_in.weight` or `text_encoder.text_model.final_layer_norm.bias`. */
  weights(network: Network, graph: Graph): Promise<Map<string, Tensor>>;
}

export interface OpenTower extends Tower {
  config: ClipTextConfig;
  tokenizerFolder: string;
}

/** A layer that a LoRA adapts: its name in LoRA files, and its sizes. */
export interface AdaptedLayer {
  module: string;
  inFeatures: number;
  outFeatures: number;
  /** Of a convolution: its height and width. */
  kernel?: readonly [number, number];
}

/** The dimensions of a LoRA's halves on a layer: pairs per picture when generating, one fixed pair when training. */
export type LoraShape = (layer: AdaptedLayer) => { down: readonly Dim[]; up: readonly Dim[] };

/**
 * A set of LoRAs for each picture (or one set for all): `[batch or 1, r, in]` and `[batch or 1, out, r]`. Of convolutions `down` is
 * that of all LoRAs in the batch, `[r, in, kh, kw]`, from which each picture's `up` takes its own.
 */
export const perPicture: LoraShape = ({ inFeatures, outFeatures, kernel }) => ({
  down: kernel ? [null, inFeatures, ...kernel] : [null, null, inFeatures],
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
    // A transformer's 1×1 convolutions are products over tokens.
    const convolution = tensor.rank === 4 && targets.unetConvolutions.test(module);
    const found: AdaptedLayer = {
      module,
      inFeatures: tensor.size(1),
      outFeatures: tensor.size(0),
      ...(convolution ? { kernel: [tensor.size(2), tensor.size(3)] } : {}),
    };
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
  return arrange(schema, new Map(below), model.files[prefix]?.[0] ?? model.folder);
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
      throw new InputError('bad_checkpoint', `${model.files[tower.name]?.[0]}: a text encoder with text_projection wanted`);
    pooled = pooledText(text_projection, states.last, wanted(tokens, end));
  }
  const [first, ...rest] = contexts;
  if (!first) throw new Error('a text encoder wanted');
  return { context: first.concat(rest, 2), ...(pooled ? { pooled } : {}) };
}

/** Noisy latents, timesteps, and what else the network is told about the pictures, to the model's prediction. */
export function buildUnet(model: Model, weights: Weights, sample: Tensor, timesteps: Tensor, told: Named): Tensor {
  const arranged = part(Unet, model, weights, 'unet');
  checkEmbeddings(model, arranged);
  const { pooled, sizes, guidance } = told;
  return unet(arranged, model.unet, sample, timesteps, { context: wanted(told, 'context'), pooled, sizes, guidance });
}

/** The optional embeddings must be those of the configuration, or what the network is told would be lost or missing. */
function checkEmbeddings(model: Model, { add_embedding, time_embedding: { cond_proj } }: Unet): void {
  const { addition_embed_type, time_cond_proj_dim } = model.unet;
  const wrong = (what: string) => new InputError('bad_checkpoint', `${model.files.unet?.[0] ?? model.folder}: ${what}`);
  if (Boolean(add_embedding) !== Boolean(addition_embed_type)) throw wrong('add_embedding goes with addition_embed_type');
  if (Boolean(cond_proj) !== Boolean(time_cond_proj_dim)) throw wrong('time_embedding.cond_proj goes with time_cond_proj_dim');
  if (!add_embedding) return;
  const pooled = model.towers.find((tower) => tower.pooled)?.config.projection_dim ?? 0;
  const each = model.unet.addition_time_embed_dim ?? 256;
  const sizes = (add_embedding.linear_1.weight.size(1) - pooled) / each;
  // The refiner, which finishes other models' pictures, has five: a score of beauty in the place of the target size.
  if (sizes !== 6) throw wrong(`${sizes} numbers beside the text; a base model, which takes the picture's 6 sizes, wanted`);
}

/** Pictures in −1 … 1 to the mean and log-variance of their latents, and latents back to pictures. */
export const buildEncoder = (model: Model, weights: Weights, pictures: Tensor) =>
  encode(part(Vae, model, weights, 'vae'), model.vae, pictures);
export const buildDecoder = (model: Model, weights: Weights, latents: Tensor) =>
  decode(part(Vae, model, weights, 'vae'), model.vae, latents);
