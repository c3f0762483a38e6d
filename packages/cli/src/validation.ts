import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { best } from '@loraloom/trainer';
import { replaceFile } from './replace-file.ts';

/** The validation losses of a training, in `validation.csv` of its output folder, so that a resumed one knows those before it. */
export async function openValidation(folder: string, resumedAt: number) {
  const path = join(folder, 'validation.csv');
  const rows: { step: number; validation_loss: number }[] = [];
  if (resumedAt > 0 && existsSync(path)) {
    for (const line of (await readFile(path, 'utf8')).split('\n').slice(1)) {
      const [step, loss] = line.split(',').map(Number);
      if (step !== undefined && loss !== undefined && step <= resumedAt) rows.push({ step, validation_loss: loss });
    }
  }
  return {
    async add(step: number, loss: number): Promise<void> {
      rows.push({ step, validation_loss: loss });
      const text = ['step,validation_loss', ...rows.map((row) => `${row.step},${row.validation_loss}`), ''].join('\n');
      await replaceFile(path, new TextEncoder().encode(text));
    },
    best: () => rows.find(({ step }) => step === best(rows)),
  };
}
