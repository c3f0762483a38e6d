import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { type Pack, packer } from '../adapters.ts';
import { type CompileOptions, compile, type Numbers, type Program } from '../graph/compile.ts';
import { Graph } from '../graph/tensor.ts';
import { openSchedule, type Schedule } from '../samplers/schedule.ts';
import { openTokenizer, type Tokenizer } from '../tokenizer.ts';
import type { Family } from './family.ts';
import {
  type AdaptedLayer,
  adapt,
  buildDecoder,
  buildEncoder,
  buildText,
  buildUnet,
  type Model,
  perPicture,
  readModel,
  weightsOf,
} from './model.ts';

/** An open Stable Diffusion pipeline: its networks as programs, each compiled at first use and kept. */
export interface Pipeline {
  model: Model;
  family: Family['name'];
  /** Side of the pictures that the model was trained on, in pixels. */
  resolution: number;
  /** Pixels per latent, along a side. */
  latentFactor: number;
  /** Pictures' sides must be multiples of this many pixels. */
  multiple: number;
  schedule: Schedule;
  tokenizer: Tokenizer;
  programs: {
    /** `ids` `[batch, 77]` and LoRA inputs to `features` `[batch, 77, width]`. */
    text(): Promise<AdaptedProgram<'features'>>;
    /** `sample` `[batch, 4, h, w]`, `timesteps` `[batch]`, `context` and LoRA inputs to `prediction`. */
    unet(): Promise<AdaptedProgram<'prediction'>>;
    /** `pictures` `[batch, 3, H, W]` in −1 … 1 to `mean` and `logVariance`. */
    encoder(): Promise<Program<'mean' | 'logVariance'>>;
    /** `latents` `[batch, 4, h, w]`, unscaled, to `pictures`. */
    decoder(): Promise<Program<'pictures'>>;
  };
  /** SHA-256 (hex) over the three weight files: the identity of the model, whatever it is called. */
  digest(): Promise<string>;
  close(): Promise<void>;
}

/** A program whose LoRA inputs are named after the layers that it lists. */
export interface AdaptedProgram<Output extends string> extends Program<Output> {
  layers: readonly AdaptedLayer[];
  pack: Pack;
}

/**
 * Opens a Stable Diffusion 1.x or 2.x pipeline in the diffusers folder layout; the weights stay in their files.
 * @throws InputError `bad_model`, `bad_checkpoint`, `bad_safetensors`
 */
export async function openPipeline(folder: string, options: CompileOptions = {}): Promise<Pipeline> {
  const model = await readModel(folder);
  const latentFactor = 2 ** (model.vae.block_out_channels.length - 1);
  const opened: Promise<{ close(): Promise<void> }>[] = [];
  const once = <T extends { close(): Promise<void> }>(open: () => Promise<T>) => {
    let program: Promise<T> | undefined;
    return () => {
      if (!program) {
        program = open();
        opened.push(program);
      }
      return program;
    };
  };
  return {
    model,
    family: model.family.name,
    resolution: model.unet.sample_size * latentFactor,
    latentFactor,
    multiple: latentFactor * 2 ** (model.unet.block_out_channels.length - 1),
    schedule: openSchedule(model.schedule),
    tokenizer: await openTokenizer(join(folder, 'tokenizer')),
    programs: {
      text: once(async () => {
        const graph = new Graph();
        const weights = adapt(await weightsOf(model, 'text', graph), 'text', graph, perPicture);
        const features = buildText(model, weights, graph.input('ids', [null, 77], 'int64'));
        return { ...(await compile({ features }, options)), layers: weights.adapted, pack: packer(weights.adapted) };
      }),
      unet: once(async () => {
        const graph = new Graph();
        const weights = adapt(await weightsOf(model, 'unet', graph), 'unet', graph, perPicture);
        const context = graph.input('context', [null, 77, model.unet.cross_attention_dim]);
        const prediction = buildUnet(
          model,
          weights,
          graph.input('sample', [null, 4, null, null]),
          graph.input('timesteps', [null]),
          context,
        );
        return { ...(await compile({ prediction }, options)), layers: weights.adapted, pack: packer(weights.adapted) };
      }),
      encoder: once(async () => {
        const graph = new Graph();
        return compile(
          buildEncoder(model, await weightsOf(model, 'vae', graph), graph.input('pictures', [null, 3, null, null])),
          options,
        );
      }),
      decoder: once(async () => {
        const graph = new Graph();
        return compile(
          { pictures: buildDecoder(model, await weightsOf(model, 'vae', graph), graph.input('latents', [null, 4, null, null])) },
          options,
        );
      }),
    },
    digest: () => digestOf(Object.values(model.files)),
    async close() {
      await Promise.all(opened.map(async (program) => (await program).close()));
    },
  };
}

async function digestOf(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) for await (const chunk of createReadStream(file)) hash.update(chunk);
  return hash.digest('hex');
}

/** Prompts as the text encoder's input, `[prompts, 77]`. */
export function tokens({ tokenizer }: Pipeline, prompts: readonly string[]): Numbers {
  return {
    data: BigInt64Array.from(prompts.flatMap((prompt) => Array.from(tokenizer.encode(prompt), BigInt))),
    dims: [prompts.length, tokenizer.length],
  };
}
