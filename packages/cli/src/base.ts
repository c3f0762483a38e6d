import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { baseFolder } from '@loraloom/emoji-base';
import { openPipeline, type Pipeline, readHeader } from '@loraloom/engine';
import { UserError } from './error.ts';

/** Base models that have a name on every machine. */
const named: Record<string, string> = { emoji: baseFolder };

/**
 * Opens a base model: a single file, a diffusers folder, or one that has a name. Its networks are opened at their first use.
 * @throws UserError if there is none; InputError if it is none that can be read
 */
export async function openBase(base: string): Promise<Pipeline> {
  const path = existsSync(base) ? base : Object.hasOwn(named, base) ? named[base] : undefined;
  if (path !== undefined) return openPipeline(path);
  const wanted = `want a .safetensors file, a diffusers folder, or ${Object.keys(named).join(', ')}`;
  throw new UserError(`base_model ${base}: no file or folder at ${resolve(base)}; ${wanted}`);
}

/** How many weights a model's UNet has. */
export async function parametersOf({ model }: Pipeline): Promise<number> {
  const files = await Promise.all((model.files.unet ?? []).map((file) => readHeader(file)));
  // A single file holds the other networks as well.
  const others = /^(first_stage_model|cond_stage_model|conditioner)\./;
  return files
    .flatMap(({ tensors }) => [...tensors])
    .filter(([name]) => !others.test(name))
    .reduce((sum, [, { shape }]) => sum + shape.reduce((product, n) => product * n, 1), 0);
}
