import type { Pipeline } from '@loraloom/engine';
import { resolution } from './architecture.ts';
import { dataset } from './pictures.ts';

/** The standard deviation of the latents of the training pictures, about their mean, before any scaling. */
export async function latentDeviation({ programs }: Pipeline, folder: string): Promise<number> {
  const encoder = await programs.encoder();
  let [count, sum, squares] = [0, 0, 0];
  const examples = await dataset({ folder, size: resolution });
  for (const [i, example] of examples.entries()) {
    if (i % 4 !== 0) continue;
    const { mean } = await encoder.run({ pictures: { data: example.planes(), dims: [1, 3, resolution, resolution] } });
    for (const value of mean) {
      count++;
      sum += value;
      squares += value * value;
    }
  }
  return Math.sqrt(squares / count - (sum / count) ** 2);
}
