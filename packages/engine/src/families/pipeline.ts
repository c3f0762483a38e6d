import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type CompileOptions, compile, type Program } from '../graph/compile.ts';
import { Graph } from '../graph/graph.ts';
import { openSchedule, type Schedule } from '../samplers/schedule.ts';
import { openTokenizer, type Tokenizer } from '../tokenizer.ts';
import { graphInputs } from './conditions.ts';
import { type Family, targets } from './family.ts';
import { readFolder } from './folder.ts';
import {
  type AdaptedLayer,
  adapt,
  buildDecoder,
  buildEncoder,
  buildText,
  buildUnet,
  type Model,
  type OpenTower,
  perPicture,
  weightsOf,
} from './model.ts';
import { readSingleFile } from './single-file.ts';

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
  /** Which of onnxruntime's execution providers computes. */
  provider: NonNullable<CompileOptions['provider']>;
  /** The text encoders' tokenizers, in the family's order. */
  tokenizers: readonly [Tokenizer, ...Tokenizer[]];
  programs: {
    /** A batch's `tokens` and LoRA inputs to what the network is told of their texts: `context` `[batch, 77, width]` and, with some families, more. */
    text(): Promise<AdaptedProgram<string>>;
    /** `sample` `[batch, 4, h, w]`, `timesteps` `[batch]`, a batch's conditions and LoRA inputs to `prediction`. */
    unet(): Promise<AdaptedProgram<'prediction'>>;
    /** The same with LoRAs on convolutions and time embeddings too, which few have and which would slow down all others. */
    unetWithConvolutions(): Promise<AdaptedProgram<'prediction'>>;
    /** `pictures` `[batch, 3, H, W]` in −1 … 1 to `mean` and `logVariance`. */
    encoder(): Promise<Program<'mean' | 'logVariance'>>;
    /** `latents` `[batch, 4, h, w]`, unscaled, to `pictures`. */
    decoder(): Promise<Program<'pictures'>>;
  };
  /** SHA-256 (hex) over the weight files: the identity of the model, whatever it is called. */
  digest(): Promise<string>;
  close(): Promise<void>;
}

/** A program whose LoRA inputs are named after the layers that it lists. */
export interface AdaptedProgram<Output extends string> extends Program<Output> {
  layers: readonly AdaptedLayer[];
}

/**
 * Opens a Stable Diffusion 1.x, 2.x or XL pipeline: a folder in diffusers' layout, or a single `.safetensors` file with the original
 * names (or the folder that holds it), beside its tokenizers' folders. The weights stay in their files.
 * @param path of the folder or of the file
 * @throws InputError `bad_model`, `bad_checkpoint`, `bad_safetensors`
 */
export async function openPipeline(path: string, options: CompileOptions = {}): Promise<Pipeline> {
  const file = await singleFile(path);
  const model = await (file ? readSingleFile(file) : readFolder(path));
  const { provider = 'cpu', precision = provider === 'cuda' ? 'float16' : 'float32' } = options;
  // onnxruntime 1.30's attention for WebGPU gives other numbers than its CPU's: 0.1 off, under SwiftShader at least.
  const purpose = provider === 'webgpu' ? 'plain' : 'fused';
  const latentFactor = 2 ** (model.vae.block_out_channels.length - 1);
  const open = ({ tokenizerFolder }: OpenTower) => openTokenizer(tokenizerFolder);
  const [first, ...others] = model.towers;
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
    provider,
    tokenizers: [await open(first), ...(await Promise.all(others.map(open)))],
    programs: {
      text: once(async () => {
        const graph = new Graph(purpose);
        const weights = adapt(await weightsOf(model, 'text', graph), 'text', graph, perPicture);
        const features = buildText(model, weights, graphInputs(model, graph, 'tokens', null));
        return { ...(await compile(features, { ...options, precision })), layers: weights.adapted };
      }),
      unet: once(() => compileUnet(model, new Graph(purpose), { ...options, precision }, targets.unet)),
      unetWithConvolutions: once(() =>
        compileUnet(
          model,
          new Graph(purpose),
          { ...options, precision },
          new RegExp(`${targets.unet.source}|${targets.unetConvolutions.source}`),
        ),
      ),
      // The autoencoders of XL overflow in float16, and a picture passes them only once.
      encoder: once(async () => {
        const graph = new Graph(purpose);
        return compile(
          buildEncoder(model, await weightsOf(model, 'vae', graph), graph.input('pictures', [null, 3, null, null])),
          { ...options, precision: 'float32' },
        );
      }),
      decoder: once(async () => {
        const graph = new Graph(purpose);
        return compile(
          { pictures: buildDecoder(model, await weightsOf(model, 'vae', graph), graph.input('latents', [null, 4, null, null])) },
          { ...options, precision: 'float32' },
        );
      }),
    },
    digest: () => digestOf([...new Set(Object.values(model.files).flat())]),
    async close() {
      await Promise.all(opened.map(async (program) => (await program).close()));
    },
  };
}

/** The single file that a path means, if it does not mean a folder in diffusers' layout. */
async function singleFile(path: string): Promise<string | undefined> {
  if (path.endsWith('.safetensors')) return path;
  const names: string[] = await readdir(path).catch(() => []);
  const [file, ...others] = names.filter((name) => name.endsWith('.safetensors'));
  return file && others.length === 0 && !names.includes('unet') ? join(path, file) : undefined;
}

async function compileUnet(
  model: Model,
  graph: Graph,
  options: CompileOptions,
  adapted: RegExp,
): Promise<AdaptedProgram<'prediction'>> {
  const weights = adapt(await weightsOf(model, 'unet', graph), 'unet', graph, perPicture, adapted);
  const told = { ...graphInputs(model, graph, 'features', null), ...graphInputs(model, graph, 'framing', null) };
  const sample = graph.input('sample', [null, 4, null, null]);
  const prediction = buildUnet(model, weights, sample, graph.input('timesteps', [null]), told);
  return { ...(await compile({ prediction }, options)), layers: weights.adapted };
}

async function digestOf(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) for await (const chunk of createReadStream(file)) hash.update(chunk);
  return hash.digest('hex');
}
