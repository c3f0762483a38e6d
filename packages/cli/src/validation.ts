import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from './replace-file.ts';

/** How well a checkpoint does on the pictures that were not trained on. */
interface Measured {
  step: number;
  loss: number;
}

/** The validation losses of a training, in `validation.csv` of its output folder, so that a resumed one knows those before it. */
export async function openValidation(folder: string, resumedAt: number) {
  const path = join(folder, 'validation.csv');
  const rows: Measured[] = [];
  if (resumedAt > 0 && existsSync(path)) {
    for (const line of (await readFile(path, 'utf8')).split('\n').slice(1)) {
      const [step, loss] = line.split(',').map(Number);
      if (step !== undefined && loss !== undefined && step <= resumedAt) rows.push({ step, loss });
    }
  }
  return {
    async add(step: number, loss: number): Promise<void> {
      rows.push({ step, loss });
      const text = ['step,validation_loss', ...rows.map((row) => `${row.step},${row.loss}`), ''].join('\n');
      await replaceFile(path, new TextEncoder().encode(text));
    },
    /** The one with the least loss, of equals the first. */
    best: (): Measured | undefined =>
      rows.reduce<Measured | undefined>((best, row) => (best && best.loss <= row.loss ? best : row), undefined),
  };
}
