import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { type TensorToStore, writeSafetensors } from '@loraloom/engine';
import { z } from 'zod';
import { weightsFile } from './network.ts';

/*
 * How model/nsfw.safetensors was made, from an unpacked npm package nsfwjs 4.4.0 (MIT):
 *
 *   npm pack nsfwjs@4.4.0 && tar xzf nsfwjs-4.4.0.tgz && node packages/nsfw/src/convert.ts package
 *
 * The weights stay as they are, one byte each; beside every tensor lies its `.range`, [min, scale]: value = min + scale × byte.
 * Names lose what all have in common, and axes take ONNX's order: [O, I / groups, kh, kw] instead of TensorFlow's [kh, kw, I, O].
 */

const Weights = z.array(
  z.object({
    name: z.string(),
    shape: z.array(z.int()),
    quantization: z.object({ min: z.number(), scale: z.number(), dtype: z.literal('uint8') }).optional(),
  }),
);
const Model = z.object({ weightsManifest: z.tuple([z.object({ paths: z.array(z.string()), weights: Weights })]) });

const [, , folder] = process.argv;
if (!folder) throw new Error('usage: node packages/nsfw/src/convert.ts FOLDER-OF-NSFWJS');
const require = createRequire(resolve('x.js'));
const load = (name: string): unknown => require(resolve(folder, 'dist/models/mobilenet_v2_mid', `${name}.min.js`));

const { paths, weights } = Model.parse(load('model')).weightsManifest[0];
const shards = paths.map((path) => Buffer.from(z.string().parse(load(path)), 'base64'));
const bytes = Buffer.concat(shards);

const tensors = new Map<string, TensorToStore>();
let at = 0;
for (const { name, shape, quantization } of weights) {
  const count = shape.reduce((product, n) => product * n, 1);
  const values = bytes.subarray(at, at + count * (quantization ? 1 : 4));
  at += values.length;
  const short = shortName(name);
  if (!short) continue;
  if (!quantization) throw new Error(`${name}: bytes wanted`);
  tensors.set(short, { dtype: 'U8', ...reordered(values, shape, short) });
  tensors.set(`${short}.range`, { dtype: 'F32', shape: [2], data: [quantization.min, quantization.scale] });
}
if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes are left over`);
await writeSafetensors(weightsFile, tensors, { source: 'npm nsfwjs 4.4.0, mobilenet_v2_mid', license: 'MIT' });

/** `expanded_conv_3/depthwise.weight`, `dense.bias`; nothing for constants that the network in network.ts spells itself. */
function shortName(name: string): string | undefined {
  const layer = /MobilenetV2\/(.+)\/(?:Conv2D|depthwise)_(weights|bn_offset)$/.exec(name);
  if (layer) return `${layer[1]}.${layer[2] === 'weights' ? 'weight' : 'bias'}`;
  if (name.endsWith('/_262')) return 'dense.weight';
  if (name.endsWith('/_263')) return 'dense.bias';
  return undefined;
}

function reordered(values: Uint8Array, shape: number[], name: string): { shape: number[]; data: Uint8Array } {
  const [kh = 0, kw = 0, i = 0, o = 0] = shape;
  if (shape.length !== 4) return { shape, data: values };
  // A depthwise kernel's channels are its outputs; each sees one input.
  const depthwise = name.endsWith('depthwise.weight');
  const [outputs, inputs] = depthwise ? [i, o] : [o, i];
  const data = new Uint8Array(values.length);
  for (let y = 0; y < kh; y++)
    for (let x = 0; x < kw; x++)
      for (let a = 0; a < i; a++)
        for (let b = 0; b < o; b++) {
          const [output, input] = depthwise ? [a, b] : [b, a];
          data[((output * inputs + input) * kh + y) * kw + x] = values[((y * kw + x) * i + a) * o + b] ?? 0;
        }
  return { shape: [outputs, inputs, kh, kw], data };
}
