import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { arrange, fileWeights } from '../checkpoint.ts';
import { InputError } from '../error.ts';
import type { Dim, Graph, Tensor } from '../graph/tensor.ts';
import { ClipText, ClipTextConfig, clipText } from '../models/clip.ts';
import { Unet, UnetConfig, unet } from '../models/unet.ts';
import { decode, encode, Vae, VaeConfig } from '../models/vae.ts';
import { type Family, familyOf, targets } from './family.ts';

/** A diffusers folder of Stable Diffusion 1.x or 2.x: its configurations, and builders of its networks over weights that stay in their files. */
export interface Model {
  folder: string;
  family: Family;
  unet: UnetConfig;
  text: ClipTextConfig;
  vae: VaeConfig;
  schedule: unknown;
  files: { unet: string; text: string; vae: string };
}

/** Where each network's weights and configuration lie in the diffusers layout. */
const networks = {
  unet: { folder: 'unet', weights: 'diffusion_pytorch_model.safetensors', prefix: 'unet.' },
  text: { folder: 'text_encoder', weights: 'model.safetensors', prefix: 'text_encoder.text_model.' },
  vae: { folder: 'vae', weights: 'diffusion_pytorch_model.safetensors', prefix: 'vae.' },
};
type Network = keyof typeof networks;

/** Reads the configurations of a diffusers folder. @throws InputError `bad_model` naming the file and what was wanted */
export async function readModel(folder: string): Promise<Model> {
  const unetConfig = await readConfig(join(folder, 'unet', 'config.json'), z.unknown());
  const file = (network: Network) => join(folder, networks[network].folder, networks[network].weights);
  return {
    folder,
    family: familyOf(unetConfig),
    unet: await readConfig(join(folder, 'unet', 'config.json'), UnetConfig),
    text: await readConfig(join(folder, 'text_encoder', 'config.json'), ClipTextConfig),
    vae: await readConfig(join(folder, 'vae', 'config.json'), VaeConfig),
    schedule: await readConfig(join(folder, 'scheduler', 'scheduler_config.json'), z.unknown()),
    files: { unet: file('unet'), text: file('text'), vae: file('vae') },
  };
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

/** A network's weights by their names in the checkpoint (the text encoder's without `text_model.`), with what adapts them. */
export interface Weights {
  tensors: Map<string, Tensor>;
  adapted: AdaptedLayer[];
}

/** A network's weights, read from its file. */
export async function weightsOf(model: Model, network: Network, graph: Graph): Promise<Weights> {
  const weights = await fileWeights(graph, model.files[network]);
  if (network !== 'text') return { tensors: weights, adapted: [] };
  // transformers 5 writes the text encoder's names without the wrapper that older files have.
  return { tensors: new Map([...weights].map(([name, tensor]) => [name.replace(/^text_model\./, ''), tensor])), adapted: [] };
}

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
    const layer = name.replace(/\.weight$/, '');
    if (layer === name || !pattern.test(layer)) continue;
    const found = { module: networks[network].prefix + layer, inFeatures: tensor.size(1), outFeatures: tensor.size(0) };
    const { down, up } = shape(found);
    extended.set(`${layer}.lora.down`, graph.input(`${found.module}.down`, down));
    const upInput = graph.input(`${found.module}.up`, up);
    extended.set(`${layer}.lora.up`, scale === 1 ? upInput : upInput.mul(scale));
    adapted.push(found);
  }
  return { tensors: extended, adapted };
}

/** Token ids `[batch, 77]` to text features `[batch, 77, width]`. */
export const buildText = (model: Model, { tensors }: Weights, ids: Tensor): Tensor =>
  clipText(arrange(ClipText, tensors, model.files.text), model.text, ids);

/** Noisy latents, timesteps and text features to the model's prediction. */
export const buildUnet = (model: Model, { tensors }: Weights, sample: Tensor, timesteps: Tensor, context: Tensor): Tensor =>
  unet(arrange(Unet, tensors, model.files.unet), model.unet, sample, timesteps, context);

/** Pictures in −1 … 1 to the mean and log-variance of their latents, and latents back to pictures. */
export const buildEncoder = (model: Model, { tensors }: Weights, pictures: Tensor) =>
  encode(arrange(Vae, tensors, model.files.vae), model.vae, pictures);
export const buildDecoder = (model: Model, { tensors }: Weights, latents: Tensor) =>
  decode(arrange(Vae, tensors, model.files.vae), model.vae, latents);
