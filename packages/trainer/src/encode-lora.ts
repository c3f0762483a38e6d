import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeDiffusers, encodeKohya, type Lora, readLora } from '@loraloom/engine';

/** A LoRA's file as kohya names things, which was read back and holds what was trained. @throws if it does not */
export const encodeLora = (lora: Lora, metadata: Readonly<Record<string, string>>): Promise<Uint8Array> =>
  proven(lora, encodeKohya(lora, metadata));

/** A LoRA's file as diffusers names things, which was read back as well. @throws as `encodeLora` */
export const encodeDiffusersLora = (lora: Lora): Promise<Uint8Array> => proven(lora, encodeDiffusers(lora));

async function proven(lora: Lora, bytes: Uint8Array): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'loraloom-lora-'));
  try {
    const path = join(folder, 'lora.safetensors');
    await writeFile(path, bytes);
    const back = await readLora(path);
    for (const [name, { down, up, alpha, rank }] of lora.modules) {
      const half = back.modules.get(name);
      // Half precision keeps eleven bits, and alpha is folded into `up`.
      const near = (a: number, b: number) => Math.abs(a - b) <= 1e-3 * Math.abs(a) + 1e-7;
      const same =
        half &&
        down.every((value, i) => near(value, half.down[i] ?? Number.NaN)) &&
        up.every((value, i) => near((value * alpha) / rank, half.up[i] ?? Number.NaN));
      if (!same) throw new Error(`the file of the trained LoRA differs from what was trained at ${name}`);
    }
    return bytes;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
