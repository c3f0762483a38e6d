/*
 * Stable Diffusion's networks once more, written from the papers and from diffusers' and transformers' documentation as plain loops
 * over float64: slow, one picture at a time, and without a line of the engine, which is tested against it.
 */

/** A weight by its name in the checkpoint. */
export type Weights = (name: string) => { data: ArrayLike<number>; dims: readonly number[] };

/** A matrix, row by row. */
interface Matrix {
  rows: number;
  columns: number;
  data: Float64Array;
}

/** Channels of height × width. */
export interface Image {
  channels: number;
  height: number;
  width: number;
  data: Float64Array;
}

const matrix = (rows: number, columns: number, value: (row: number, column: number) => number): Matrix => ({
  rows,
  columns,
  data: Float64Array.from({ length: rows * columns }, (_, i) => value(Math.floor(i / columns), i % columns)),
});
const at = ({ columns, data }: Matrix, row: number, column: number) => data[row * columns + column] ?? Number.NaN;
const map = <T extends { data: Float64Array }>(x: T, value: (v: number, i: number) => number): T => ({
  ...x,
  data: x.data.map(value),
});
const plus = <T extends { data: Float64Array }>(a: T, b: T): T => map(a, (v, i) => v + (b.data[i] ?? Number.NaN));

function erf(x: number): number {
  if (Math.abs(x) > 5) return Math.sign(x);
  let [term, sum] = [x, x];
  for (let n = 1; n < 150; n++) {
    term *= -(x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const silu = (x: number) => x * sigmoid(x);
const gelu = (x: number) => (x / 2) * (1 + erf(x / Math.SQRT2));
const quickGelu = (x: number) => x * sigmoid(1.702 * x);

const has = (w: Weights, name: string) => w(name).data.length > 0;

function linear(w: Weights, name: string, x: Matrix): Matrix {
  const { data, dims } = w(`${name}.weight`);
  const bias = w(`${name}.bias`).data;
  const [outputs = 0, inputs = 0] = dims;
  if (inputs !== x.columns) throw new Error(`${name}: ${inputs} inputs, ${x.columns} given`);
  return matrix(x.rows, outputs, (row, out) => {
    let sum = bias[out] ?? 0;
    for (let i = 0; i < inputs; i++) sum += at(x, row, i) * (data[out * inputs + i] ?? Number.NaN);
    return sum;
  });
}

function normalized(values: Float64Array, epsilon: number): Float64Array {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
  return values.map((value) => (value - mean) / Math.sqrt(variance + epsilon));
}

function layerNorm(w: Weights, name: string, x: Matrix): Matrix {
  const [scale, shift] = [w(`${name}.weight`).data, w(`${name}.bias`).data];
  const rows = Array.from({ length: x.rows }, (_, row) => normalized(x.data.slice(row * x.columns, (row + 1) * x.columns), 1e-5));
  return matrix(
    x.rows,
    x.columns,
    (row, i) => (rows[row]?.[i] ?? Number.NaN) * (scale[i] ?? Number.NaN) + (shift[i] ?? Number.NaN),
  );
}

function groupNorm(w: Weights, name: string, x: Image, groups: number, epsilon: number): Image {
  const [scale, shift] = [w(`${name}.weight`).data, w(`${name}.bias`).data];
  const size = x.data.length / groups;
  const plane = x.height * x.width;
  const data = new Float64Array(x.data.length);
  for (let g = 0; g < groups; g++) data.set(normalized(x.data.slice(g * size, (g + 1) * size), epsilon), g * size);
  return { ...x, data: data.map((v, i) => v * (scale[Math.floor(i / plane)] ?? 0) + (shift[Math.floor(i / plane)] ?? 0)) };
}

function conv(w: Weights, name: string, x: Image, { stride = 1 } = {}): Image {
  const { data, dims } = w(`${name}.weight`);
  const bias = w(`${name}.bias`).data;
  const [outputs = 0, inputs = 0, kernel = 0] = dims;
  const padding = (kernel - 1) / 2;
  const [height, width] = [Math.ceil(x.height / stride), Math.ceil(x.width / stride)];
  const result = new Float64Array(outputs * height * width);
  for (let o = 0; o < outputs; o++)
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++) {
        let sum = bias[o] ?? 0;
        for (let c = 0; c < inputs; c++)
          for (let a = 0; a < kernel; a++)
            for (let b = 0; b < kernel; b++) {
              const [row, column] = [i * stride + a - padding, j * stride + b - padding];
              if (row < 0 || column < 0 || row >= x.height || column >= x.width) continue;
              const pixel = x.data[(c * x.height + row) * x.width + column] ?? Number.NaN;
              sum += pixel * (data[((o * inputs + c) * kernel + a) * kernel + b] ?? Number.NaN);
            }
        result[(o * height + i) * width + j] = sum;
      }
  return { channels: outputs, height, width, data: result };
}

/** Attention in `heads` parts of the columns; `causal` lets no row look at later ones. */
function attention(q: Matrix, k: Matrix, v: Matrix, heads: number, causal = false): Matrix {
  const width = q.columns / heads;
  const result = matrix(q.rows, q.columns, () => 0);
  for (let head = 0; head < heads; head++)
    for (let row = 0; row < q.rows; row++) {
      const scores = Array.from({ length: causal ? row + 1 : k.rows }, (_, other) => {
        let sum = 0;
        for (let i = 0; i < width; i++) sum += at(q, row, head * width + i) * at(k, other, head * width + i);
        return Math.exp(sum / Math.sqrt(width));
      });
      const total = scores.reduce((a, b) => a + b, 0);
      for (let i = 0; i < width; i++) {
        let sum = 0;
        for (const [other, score] of scores.entries()) sum += (score / total) * at(v, other, head * width + i);
        result.data[row * q.columns + head * width + i] = sum;
      }
    }
  return result;
}

interface ClipSizes {
  num_hidden_layers: number;
  num_attention_heads: number;
  hidden_act: string;
}

/** CLIP's text encoder: the states before each layer and after the last one (as transformers' `hidden_states`), and the normed last. */
export function clip(w: Weights, sizes: ClipSizes, ids: readonly number[]): { hidden: Matrix[]; last: Matrix } {
  const table = w('text_model.embeddings.token_embedding.weight');
  const positions = w('text_model.embeddings.position_embedding.weight');
  const width = table.dims[1] ?? 0;
  let x = matrix(
    ids.length,
    width,
    (row, i) => (table.data[(ids[row] ?? 0) * width + i] ?? Number.NaN) + (positions.data[row * width + i] ?? Number.NaN),
  );
  const hidden = [x];
  for (let layer = 0; layer < sizes.num_hidden_layers; layer++) {
    const name = `text_model.encoder.layers.${layer}`;
    const h = layerNorm(w, `${name}.layer_norm1`, x);
    const [q, k, v] = ['q', 'k', 'v'].map((part) => linear(w, `${name}.self_attn.${part}_proj`, h));
    if (!q || !k || !v) throw new Error('three projections wanted');
    x = plus(x, linear(w, `${name}.self_attn.out_proj`, attention(q, k, v, sizes.num_attention_heads, true)));
    const wide = linear(w, `${name}.mlp.fc1`, layerNorm(w, `${name}.layer_norm2`, x));
    x = plus(x, linear(w, `${name}.mlp.fc2`, map(wide, sizes.hidden_act === 'gelu' ? gelu : quickGelu)));
    hidden.push(x);
  }
  return { hidden, last: layerNorm(w, 'text_model.final_layer_norm', x) };
}

/** A matrix of these numbers, row by row. */
export const matrixOf = (data: ArrayLike<number>, columns: number): Matrix => ({
  rows: data.length / columns,
  columns,
  data: Float64Array.from(data),
});

/** Rows of a matrix side by side with another's. */
export const beside = (a: Matrix, b: Matrix): Matrix =>
  matrix(a.rows, a.columns + b.columns, (row, i) => (i < a.columns ? at(a, row, i) : at(b, row, i - a.columns)));

/** One row of the normed last state, projected. */
export const projected = (w: Weights, last: Matrix, row: number): Float64Array =>
  linear(
    w,
    'text_projection',
    matrix(1, last.columns, (_, i) => at(last, row, i)),
  ).data;

/** cos, then sin, of a number times falling frequencies. */
function waves(value: number, width: number): number[] {
  const angles = Array.from({ length: width / 2 }, (_, i) => value * 10000 ** (-i / (width / 2)));
  return [...angles.map(Math.cos), ...angles.map(Math.sin)];
}

const row = (values: ArrayLike<number>): Matrix => matrix(1, values.length, (_, i) => values[i] ?? Number.NaN);

function embedding(w: Weights, name: string, x: Matrix): Matrix {
  return linear(w, `${name}.linear_2`, map(linear(w, `${name}.linear_1`, x), silu));
}

interface UnetSizes {
  block_out_channels: readonly number[];
  layers_per_block: number;
  norm_num_groups: number;
  attention_head_dim: readonly number[];
  transformer_layers_per_block: readonly number[];
  addition_time_embed_dim: number;
  down_block_types: readonly string[];
  up_block_types: readonly string[];
}

/** What a UNet is told: text features; Stable Diffusion XL's also what the text comes to and six sizes; a distilled one's the guidance. */
export interface Told {
  timestep: number;
  context: Matrix;
  more?: { pooled: ArrayLike<number>; sizes: readonly number[] };
  guidance?: ArrayLike<number>;
}

export function unet(w: Weights, sizes: UnetSizes, sample: Image, told: Told): Image {
  const groups = sizes.norm_num_groups;
  const channels = sizes.block_out_channels;
  const first = waves(told.timestep, channels[0] ?? 0);
  const guided = told.guidance ? plus(row(first), linear(w, 'time_embedding.cond_proj', row(told.guidance))) : row(first);
  const own = embedding(w, 'time_embedding', guided);
  const each = told.more?.sizes.flatMap((size) => waves(size, sizes.addition_time_embed_dim)) ?? [];
  const added = told.more && embedding(w, 'add_embedding', row([...Array.from(told.more.pooled), ...each]));
  const time = map(added ? plus(own, added) : own, silu);

  const resnet = (name: string, x: Image): Image => {
    const shift = linear(w, `${name}.time_emb_proj`, time).data;
    const plane = x.height * x.width;
    const h = conv(w, `${name}.conv1`, map(groupNorm(w, `${name}.norm1`, x, groups, 1e-5), silu));
    const shifted = map(h, (v, i) => v + (shift[Math.floor(i / plane)] ?? Number.NaN));
    const residual = conv(w, `${name}.conv2`, map(groupNorm(w, `${name}.norm2`, shifted, groups, 1e-5), silu));
    return plus(has(w, `${name}.conv_shortcut.weight`) ? conv(w, `${name}.conv_shortcut`, x) : x, residual);
  };
  const attend = (name: string, x: Matrix, context: Matrix, heads: number) => {
    const [q, k, v] = [linear(w, `${name}.to_q`, x), linear(w, `${name}.to_k`, context), linear(w, `${name}.to_v`, context)];
    return linear(w, `${name}.to_out.0`, attention(q, k, v, heads));
  };
  const transformer = (name: string, image: Image, level: number): Image => {
    const heads = sizes.attention_head_dim[level] ?? 0;
    const plane = image.height * image.width;
    const normed = groupNorm(w, `${name}.norm`, image, groups, 1e-6);
    let x = linear(
      w,
      `${name}.proj_in`,
      matrix(plane, image.channels, (token, c) => normed.data[c * plane + token] ?? Number.NaN),
    );
    for (let i = 0; i < (sizes.transformer_layers_per_block[level] ?? 0); i++) {
      const block = `${name}.transformer_blocks.${i}`;
      const h = layerNorm(w, `${block}.norm1`, x);
      x = plus(x, attend(`${block}.attn1`, h, h, heads));
      x = plus(x, attend(`${block}.attn2`, layerNorm(w, `${block}.norm2`, x), told.context, heads));
      const wide = linear(w, `${block}.ff.net.0.proj`, layerNorm(w, `${block}.norm3`, x));
      const half = wide.columns / 2;
      const gated = matrix(wide.rows, half, (token, i) => at(wide, token, i) * gelu(at(wide, token, half + i)));
      x = plus(x, linear(w, `${block}.ff.net.2`, gated));
    }
    const out = linear(w, `${name}.proj_out`, x);
    return map(image, (v, i) => v + at(out, i % plane, Math.floor(i / plane)));
  };
  const join = (a: Image, b: Image): Image => ({
    ...a,
    channels: a.channels + b.channels,
    data: Float64Array.from([...a.data, ...b.data]),
  });
  const enlarge = (x: Image): Image => {
    const [height, width] = [2 * x.height, 2 * x.width];
    const data = Float64Array.from({ length: x.channels * height * width }, (_, i) => {
      const [c, y, z] = [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width];
      return x.data[(c * x.height + Math.floor(y / 2)) * x.width + Math.floor(z / 2)] ?? Number.NaN;
    });
    return { ...x, height, width, data };
  };

  const levels = channels.length;
  let x = conv(w, 'conv_in', sample);
  const skips = [x];
  for (let level = 0; level < levels; level++) {
    const name = `down_blocks.${level}`;
    for (let j = 0; j < sizes.layers_per_block; j++) {
      x = resnet(`${name}.resnets.${j}`, x);
      if (sizes.down_block_types[level] === 'CrossAttnDownBlock2D') x = transformer(`${name}.attentions.${j}`, x, level);
      skips.push(x);
    }
    if (level === levels - 1) continue;
    x = conv(w, `${name}.downsamplers.0.conv`, x, { stride: 2 });
    skips.push(x);
  }
  x = resnet('mid_block.resnets.0', x);
  x = transformer('mid_block.attentions.0', x, levels - 1);
  x = resnet('mid_block.resnets.1', x);
  for (let i = 0; i < levels; i++) {
    const name = `up_blocks.${i}`;
    for (let j = 0; j <= sizes.layers_per_block; j++) {
      const skip = skips.pop();
      if (!skip) throw new Error('a skip wanted');
      x = resnet(`${name}.resnets.${j}`, join(x, skip));
      if (sizes.up_block_types[i] === 'CrossAttnUpBlock2D') x = transformer(`${name}.attentions.${j}`, x, levels - 1 - i);
    }
    if (i < levels - 1) x = conv(w, `${name}.upsamplers.0.conv`, enlarge(x));
  }
  return conv(w, 'conv_out', map(groupNorm(w, 'conv_norm_out', x, groups, 1e-5), silu));
}
