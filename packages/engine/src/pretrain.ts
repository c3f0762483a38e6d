import { arrange } from './checkpoint.ts';
import type { Model } from './families/model.ts';
import { Graph } from './graph/graph.ts';
import type { Tensor } from './graph/tensor.ts';
import { ClipText, clipText } from './models/clip.ts';
import { Unet, unet } from './models/unet.ts';
import { decode, encode, Vae, type VaeConfig } from './models/vae.ts';
import { type Objective, objective, type Parameters, parameterInputs } from './parameters.ts';

/*
 * Training of every weight of a model, which makes a base where a LoRA adapts one. Shapes are fixed, parameters are inputs.
 */

/** Names below one prefix of the parameters' layout, without it. */
const below = (prefix: string, inputs: ReadonlyMap<string, Tensor>) =>
  new Map([...inputs].flatMap(([name, tensor]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), tensor]] : [])));

/**
 * The autoencoder's objective: the pictures' error, and the divergence of the latents from a normal distribution
 * (arXiv 1312.6114) weighted by `divergence`.
 * Inputs: `pictures` `[batch, 3, size, size]` in −1 … 1, `noise` `[batch, 4, size / factor, size / factor]`.
 */
export async function autoencoderObjective(
  config: VaeConfig,
  parameters: Parameters,
  batch: number,
  size: number,
  divergence: number,
): Promise<Objective> {
  const graph = new Graph();
  const inputs = parameterInputs(graph, parameters);
  const weights = arrange(Vae, inputs, 'the autoencoder');
  const pictures = graph.input('pictures', [batch, 3, size, size]);
  const { mean, logVariance } = encode(weights, config, pictures);
  const noise = graph.input('noise', mean.sizes);
  const decoded = decode(weights, config, mean.add(logVariance.mul(0.5).exp().mul(noise)));
  const information = average(mean.mul(mean).add(logVariance.exp()).sub(logVariance).sub(1)).mul(0.5);
  return objective(pictureError(decoded, pictures).add(information.mul(divergence)), inputs);
}

/**
 * The decoder's objective while the encoder stays as it is, so that latents keep their meaning: the pictures' error as the
 * autoencoder's. Inputs: `pictures` `[batch, 3, size, size]` in −1 … 1, and the weights that stay.
 * @param parameters those of the decoder, `kept` the others
 */
export async function decoderObjective(
  config: VaeConfig,
  parameters: Parameters,
  kept: Parameters,
  batch: number,
  size: number,
): Promise<Objective> {
  const graph = new Graph();
  const inputs = parameterInputs(graph, parameters);
  const weights = arrange(Vae, new Map([...inputs, ...parameterInputs(graph, kept)]), 'the autoencoder');
  const pictures = graph.input('pictures', [batch, 3, size, size]);
  return objective(pictureError(decode(weights, config, encode(weights, config, pictures).mean), pictures), inputs);
}

const average = (x: Tensor) => x.mean([0, 1, 2, 3], false);

/**
 * Absolute and squared error of the pictures (the latter gets their colours right early), and absolute error of the
 * differences between neighbours (which keeps edges sharp).
 */
function pictureError(decoded: Tensor, pictures: Tensor): Tensor {
  const error = decoded.sub(pictures);
  const size = pictures.size(2);
  const edges = [2, 3].map((axis) =>
    average(
      error
        .slice(axis, 1, size)
        .sub(error.slice(axis, 0, size - 1))
        .abs(),
    ),
  );
  const difference = average(error.abs()).add(average(error.mul(error)).mul(2));
  return edges.reduce((sum, edge) => sum.add(edge.mul(0.5)), difference);
}

/**
 * The denoiser's and its text encoder's common objective: the squared error of the prediction, each picture's weighted.
 * Parameters are named `unet.…` and `text_encoder.…`. Inputs: `sample` and `target` `[batch, 4, h, w]`, `timesteps` `[batch]`,
 * `ids` `[batch, 77]`, `weight` `[batch]`.
 */
export async function denoiserObjective(
  model: Model,
  parameters: Parameters,
  batch: number,
  latentSize: number,
): Promise<Objective> {
  const graph = new Graph();
  const inputs = parameterInputs(graph, parameters);
  const ids = graph.input('ids', [batch, 77], 'int64');
  const context = clipText(arrange(ClipText, below('text_encoder.', inputs), 'the text encoder'), model.towers[0].config, ids);
  const sample = graph.input('sample', [batch, 4, latentSize, latentSize]);
  const prediction = unet(
    arrange(Unet, below('unet.', inputs), 'the UNet'),
    model.unet,
    sample,
    graph.input('timesteps', [batch]),
    { context },
  );
  return objective(weightedError(prediction), inputs);
}

/** Mean over the batch of `weight` times the mean squared error to `target`, in float32; both become graph inputs. */
export function weightedError(prediction: Tensor): Tensor {
  const { graph, dims } = prediction;
  return graph.precisely(() => {
    const error = prediction.sub(graph.input('target', dims));
    const weight = graph.input('weight', [prediction.dims[0] ?? null]);
    return error.mul(error).mean([1, 2, 3], false).mul(weight).mean([0], false);
  });
}
