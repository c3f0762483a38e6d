import { InputError } from '../error.ts';
import { graphInputs } from '../families/conditions.ts';
import { targets } from '../families/family.ts';
import { type AdaptedLayer, adapt, buildText, buildUnet, type LoraShape, weightsOf } from '../families/model.ts';
import type { Pipeline } from '../families/pipeline.ts';
import type { Lora, LoraModule } from '../files/lora.ts';
import type { Dim } from '../graph/dims.ts';
import { Graph } from '../graph/graph.ts';
import { inputsOf } from '../graph/onnx.ts';
import type { Tensor } from '../graph/tensor.ts';
import { objective, type Parameters, parameters } from '../parameters.ts';
import { weightedError } from '../pretrain.ts';
import { type Random, randomFrom } from '../random.ts';
import type { Training } from './training.ts';

const unetTargets = {
  attention: targets.unetAttention,
  'attention+ff': targets.unet,
  'attention+ff+conv': new RegExp(`${targets.unet.source}|${targets.unetConvolutions.source}`),
};

/** What decides the trained network. */
export type Adapting = Pick<Training, 'rank' | 'alpha' | 'targets' | 'trainTextEncoder' | 'seed' | 'recompute' | 'precision'>;

/** A batch's sizes: of latents, and of how many pictures. */
export interface BatchSize {
  batch: Dim;
  height: Dim;
  width: Dim;
}

/**
 * The loss as a function of the LoRA's two halves on each layer, named as its modules are, with fresh values: `up` zero.
 * @param size of all batches; what is not known serves any, and takes onnxruntime two to three times as long to open
 */
export async function loraObjective(
  pipeline: Pipeline,
  adapting: Adapting,
  size: BatchSize = { batch: null, height: null, width: null },
) {
  const { loss, halves, layers } = await lossGraph(pipeline, adapting, size);
  const random = randomFrom(adapting.seed, 0);
  const trained = parameters(
    [...halves].map(([name, input]) => [name, input.sizes]),
    ({ name, dims }) => initialHalf(name, dims, random),
  );
  const { recompute = false, precision = 'float32' } = adapting;
  const { evaluate, close } = await objective(loss, halves, { provider: pipeline.provider, precision, recompute });
  return { trained, evaluate, close, layers };
}

/** The graph of a batch's loss, of the sizes given or of any. */
export async function lossGraph(
  { model }: Pipeline,
  { rank, alpha, targets: which, trainTextEncoder }: Adapting,
  { batch, height, width }: BatchSize,
): Promise<{ loss: Tensor; halves: Map<string, Tensor>; layers: AdaptedLayer[] }> {
  const graph = new Graph('trained');
  const shape: LoraShape = ({ inFeatures, outFeatures, kernel = [] }) => ({
    down: [rank, inFeatures, ...kernel],
    up: [outFeatures, rank],
  });
  const adapted = async (network: 'unet' | 'text', pattern: RegExp) =>
    adapt(await weightsOf(model, network, graph), network, graph, shape, pattern, alpha / rank);
  const unetWeights = await adapted('unet', unetTargets[which]);
  const layers = [...unetWeights.adapted];
  let told: Record<string, Tensor>;
  if (trainTextEncoder) {
    const textWeights = await adapted('text', which === 'attention' ? targets.textAttention : targets.text);
    told = buildText(model, textWeights, graphInputs(model, graph, 'tokens', batch));
    layers.push(...textWeights.adapted);
  } else told = graphInputs(model, graph, 'features', batch);
  const prediction = buildUnet(
    model,
    unetWeights,
    graph.input('sample', [batch, 4, height, width]),
    graph.input('timesteps', [batch]),
    { ...told, ...graphInputs(model, graph, 'framing', batch) },
  );
  // A text encoder's last layer may have no say in the prediction; what has none is not trained.
  const used = inputsOf([prediction]);
  const halves = graph.inputs.filter((input) => /\.(down|up)$/.test(input.name) && used.has(input));
  return { loss: weightedError(prediction), halves: new Map(halves.map((input) => [input.name, input])), layers };
}

/** PEFT's and kohya's start: `down` uniform in ±1/√in (kaiming_uniform with a = √5), `up` zero. */
function initialHalf(name: string, dims: readonly number[], random: Random): Float32Array {
  const [rows = 0, ...rest] = dims;
  const columns = rest.reduce((product, n) => product * n, 1);
  const values = new Float32Array(rows * columns);
  return name.endsWith('.up') ? values : values.map(() => (random.uniform() * 2 - 1) / Math.sqrt(columns));
}

/** The trained halves by module. */
export function modulesOf({ values, layout }: Parameters, rank: number, alpha: number): Lora['modules'] {
  const halves = new Map(layout.map((slot) => [slot.name, slot]));
  const modules = new Map<string, LoraModule>();
  for (const { name, dims, begin, end } of layout) {
    if (!name.endsWith('.down')) continue;
    const module = name.slice(0, -'.down'.length);
    const up = halves.get(`${module}.up`);
    if (!up) throw new Error(`${module}: no up half`);
    modules.set(module, {
      down: values.slice(begin, end),
      up: values.slice(up.begin, up.end),
      rank,
      inFeatures: dims[1] ?? 0,
      outFeatures: up.dims[0] ?? 0,
      alpha,
      ...(dims.length === 4 ? { kernel: [dims[2] ?? 1, dims[3] ?? 1] as const } : {}),
    });
  }
  return modules;
}

/**
 * Puts a LoRA's values in the place of fresh ones, to go on from it; layers that it lacks keep theirs.
 * @throws InputError `lora_mismatch` if it adapts what is not trained, or has another rank
 */
export function startFrom(
  { modules }: Lora,
  { values, layout }: Parameters,
  { rank, alpha }: Pick<Training, 'rank' | 'alpha'>,
): void {
  const slots = new Map(layout.map((slot) => [slot.name, slot]));
  for (const [name, module] of modules) {
    const [down, up] = [slots.get(`${name}.down`), slots.get(`${name}.up`)];
    if (!down || !up)
      throw new InputError('lora_mismatch', `the LoRA to go on from adapts ${name}, which this training does not`);
    if (module.rank !== rank || module.down.length !== down.end - down.begin || module.up.length !== up.end - up.begin) {
      const sizes = `${module.inFeatures} → ${module.rank} → ${module.outFeatures}`;
      const wanted = `${down.dims[1]} → ${rank} → ${up.dims[0]}`;
      throw new InputError('lora_mismatch', `the LoRA to go on from is ${sizes} at ${name}; ${wanted} wanted`);
    }
    values.set(module.down, down.begin);
    // Its scale may be another one.
    const factor = module.alpha / alpha;
    values.set(factor === 1 ? module.up : module.up.map((value) => value * factor), up.begin);
  }
}
