import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomFrom } from '../src/random.ts';
import { type Shape, unetShapes, vaeShapes } from '../src/shapes.ts';

const unet = {
  attention_head_dim: 8,
  block_out_channels: [320, 640, 1280, 1280],
  cross_attention_dim: 768,
  down_block_types: ['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D'],
  layers_per_block: 2,
  norm_num_groups: 32,
  // Latents are 64 × 64 in the original; training on a fourth of that fits the memory of a small machine.
  sample_size: 32,
  up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D'],
};
const vae = {
  block_out_channels: [128, 256, 512, 512],
  down_block_types: Array.from({ length: 4 }, () => 'DownEncoderBlock2D'),
  layers_per_block: 2,
  norm_num_groups: 32,
  up_block_types: Array.from({ length: 4 }, () => 'UpDecoderBlock2D'),
};

/**
 * Writes a pipeline whose UNet and autoencoder have Stable Diffusion 1.5's sizes and random float16 weights (1.9 GB); its other parts
 * are the tiny fixture's.
 */
export async function writeRandomModel(folder: string, tiny: string): Promise<void> {
  await cp(tiny, folder, { recursive: true });
  await writeNetwork(join(folder, 'unet'), unet, unetShapes(unet));
  await writeNetwork(join(folder, 'vae'), vae, vaeShapes(vae));
}

async function writeNetwork(folder: string, sizes: object, shapes: readonly Shape[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, 'config.json');
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), ...sizes }));
  const count = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);
  const header: Record<string, object> = {};
  let end = 0;
  for (const [name, dims] of shapes) {
    const begin = end;
    end += 2 * count(dims);
    header[name] = { dtype: 'F16', shape: dims, data_offsets: [begin, end] };
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const length = new Uint8Array(BigUint64Array.of(BigInt(json.length)).buffer);
  const random = randomFrom(1);
  // One block of noise, cut to each weight's length: drawing 860 million numbers would take longer than the bench.
  const noise = random.fillNormal(new Float32Array(2 ** 20));
  function* chunks() {
    yield length;
    yield json;
    for (const [name, dims] of shapes) {
      const norm = dims.length === 1 && name.endsWith('.weight');
      const scale = dims.length === 1 ? 0.01 : 1 / Math.sqrt(count(dims.slice(1)));
      const values = new Float16Array(count(dims));
      for (let i = 0; i < values.length; i++) values[i] = norm ? 1 : scale * (noise[i % noise.length] ?? 0);
      yield new Uint8Array(values.buffer);
    }
  }
  await writeFile(join(folder, 'diffusion_pytorch_model.safetensors'), chunks());
}
