import { readFile } from 'node:fs/promises';
import { readTrainingFile, type TrainingFile } from '@loraloom/jobs/training-file';
import { parse, YAMLParseError } from 'yaml';
import { UserError } from './error.ts';

/**
 * Reads a settings file: lora-scripts' YAML, see docs/training.md.
 * @returns the settings, and the keys among them that have no meaning here
 * @throws UserError if it is not there or not YAML; RequestError `bad_settings`
 */
export async function readSettings(path: string): Promise<{ file: TrainingFile; ignored: string[] }> {
  const text = await readFile(path, 'utf8').catch((cause) => {
    throw new UserError(`${path}: cannot be read (${cause.code}); want the path of a YAML file`, { cause });
  });
  try {
    return readTrainingFile(parse(text));
  } catch (cause) {
    if (cause instanceof YAMLParseError) throw new UserError(`${path}: not YAML: ${cause.message}`, { cause });
    throw cause;
  }
}
