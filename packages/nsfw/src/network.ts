import { fileURLToPath } from 'node:url';
import { Graph, readTensors, type Tensor } from '@loraloom/engine';

/** Where convert.ts puts the weights. */
export const weightsFile = fileURLToPath(new URL('../model/nsfw.safetensors', import.meta.url));

/** Pixels a side that the network was trained at. */
export const side = 224;

type Weight = (name: string, groups?: number) => { weight: Tensor; bias: Tensor };

/** The stride of each of the seventeen blocks: table 2 of the paper, its first row being `expanded_conv` itself. */
const strides = [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1];

/**
 * MobileNetV2 (arxiv.org/abs/1801.04381) with its channels times 1.4, batch normalization folded into the weights, and five classes.
 * Input `pictures` `[N, 3, 224, 224]` in 0 … 1; output `[N, 5]`, which sum to 1.
 */
export async function buildNetwork(): Promise<Tensor> {
  const graph = new Graph();
  const layer = await readWeights(graph);
  const convolve = (x: Tensor, name: string, stride = 1): Tensor => {
    const { weight, bias } = layer(name);
    const size = weight.size(2);
    // As TensorFlow's SAME does it: what cannot be shared evenly is added below and to the right.
    const padding = Math.max(0, (Math.ceil(x.size(2) / stride) - 1) * stride + size - x.size(2));
    const [before, after] = [Math.floor(padding / 2), Math.ceil(padding / 2)];
    return x.conv(weight, bias, stride, [before, before, after, after], x.size(1) / weight.size(1));
  };
  const relu6 = (x: Tensor) => x.clip(0, 6);

  let x = graph.input('pictures', [null, 3, side, side]).mul(2).sub(1);
  x = relu6(convolve(x, 'Conv', 2));
  for (const [i, stride] of strides.entries()) {
    const name = i === 0 ? 'expanded_conv' : `expanded_conv_${i}`;
    // The first block has nothing to expand.
    const wide = i === 0 ? x : relu6(convolve(x, `${name}/expand`));
    const narrow = convolve(relu6(convolve(wide, `${name}/depthwise`, stride)), `${name}/project`);
    x = narrow.size(1) === x.size(1) && stride === 1 ? narrow.add(x) : narrow;
  }
  const features = relu6(convolve(x, 'Conv_1')).mean([2, 3], false);
  const { weight, bias } = layer('dense');
  return features.matmul(weight).add(bias).softmax();
}

/** Weights by layer: a byte each in the file, float32 in the graph. */
async function readWeights(graph: Graph): Promise<Weight> {
  const { tensors } = await readTensors(weightsFile);
  const read = (name: string): Tensor => {
    const [bytes, range] = [tensors.get(name), tensors.get(`${name}.range`)];
    const [min = Number.NaN, scale = Number.NaN] = range?.data ?? [];
    if (!bytes) throw new Error(`${weightsFile}: ${name} is missing`);
    return graph.constant(
      bytes.data.map((byte) => min + scale * byte),
      bytes.shape,
    );
  };
  return (name) => ({ weight: read(`${name}.weight`), bias: read(`${name}.bias`) });
}
