import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { encodePng, type Lora, openBatch, resultOf } from '@loraloom/engine';
import { replaceFile } from './replace-file.ts';
import type { LocalTraining } from './training.ts';

/** How sample pictures are made; the same each time, so that only the LoRA makes a difference. */
const how = { negativePrompt: '', steps: 20, guidanceScale: 5, sampler: 'ddim' } as const;

/** Opens what makes a picture of each sample prompt with a LoRA as it stands, into `samples/` of the output folder. */
export function openSamples({ request, pipeline, outputFolder }: LocalTraining) {
  const { sample_prompts: prompts, sample_every_n_steps: every, resolution, seed } = request;
  const batch = openBatch(pipeline, 4);
  const folder = join(outputFolder, 'samples');
  return {
    due: (step: number, steps: number) => prompts.length > 0 && (step % every === 0 || step === steps),
    async draw(step: number, lora: Lora, signal: AbortSignal): Promise<void> {
      await mkdir(folder, { recursive: true });
      const pictures = prompts.map((prompt, i) => {
        const wanted = { ...how, prompt, seed: (seed + i) % 2 ** 32, width: resolution, height: resolution };
        return resultOf(batch.generate({ ...wanted, loras: [{ lora, weight: 1 }] }, signal));
      });
      for (const [i, picture] of (await Promise.all(pictures)).entries())
        await replaceFile(join(folder, `step${`${step}`.padStart(8, '0')}-${i}.png`), await encodePng(picture));
    },
  };
}
