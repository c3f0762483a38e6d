import { existsSync } from 'node:fs';
import { inspectLora, type LoraReport } from '@loraloom/engine';
import { UserError } from './error.ts';

/** What a LoRA file holds. @throws UserError if it is not there; InputError if it is no safetensors file */
export function inspect(path: string): Promise<LoraReport> {
  if (!existsSync(path)) throw new UserError(`${path}: no such file; want a LoRA in a .safetensors file`);
  return inspectLora(path);
}

/** A report as lines for a terminal. */
export function describeLora({ digest, sizeBytes, formats, base, claimedBase, modules, coverage, ...rest }: LoraReport): string {
  const distinct = (values: number[]) => [...new Set(values)].toSorted((a, b) => a - b).join(', ') || 'none';
  const part = ({ adapted, of }: LoraReport['coverage']['unet']) => (of === undefined ? `${adapted}` : `${adapted} of ${of}`);
  const rows: [string, string | undefined][] = [
    ['names as', formats.join(', ') || 'of no known trainer'],
    ['base', `${base ?? 'unknown'}${claimedBase ? `, although its metadata says ${claimedBase}` : ''}`],
    [
      'layers',
      `${part(coverage.unet)} of the network, ${part(coverage.text)} of the text encoder, ${part(coverage.further)} others`,
    ],
    ['rank', distinct(modules.map(({ rank }) => rank))],
    ['alpha', distinct(modules.map(({ alpha }) => alpha))],
    ['trigger', rest.metadata['modelspec.trigger_phrase']],
    ['size', `${(sizeBytes / 1e6).toFixed(1)} MB`],
    ['SHA-256', digest],
    ['not finite', rest.notFinite.join(', ')],
    [
      'unknown',
      rest.unknownKeys.slice(0, 5).join(', ') + (rest.unknownKeys.length > 5 ? ` and ${rest.unknownKeys.length - 5} more` : ''),
    ],
    ...rest.problems.map((problem): [string, string] => ['problem', problem.message]),
  ];
  return rows
    .filter(([, value]) => value)
    .map(([title, value]) => `${title.padEnd(11)} ${value}`)
    .join('\n');
}
