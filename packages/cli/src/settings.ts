import { readFile } from 'node:fs/promises';
import { readTrainingFile, type TrainingFile } from '@loraloom/jobs/training-file';
import { TomlError, parse as toml } from 'smol-toml';
import { parse, YAMLParseError } from 'yaml';
import { UserError } from './error.ts';

/**
 * Reads a settings file: lora-scripts' YAML, or its and kohya's TOML where the file's name ends so, see docs/training.md.
 * @returns the settings, and the keys among them that have no meaning here
 * @throws UserError if it is not there or neither; RequestError `bad_settings`
 */
export async function readSettings(path: string): Promise<{ file: TrainingFile; ignored: string[] }> {
  const text = await readFile(path, 'utf8').catch((cause) => {
    throw new UserError(`${path}: cannot be read (${cause.code}); want the path of a YAML or TOML file`, { cause });
  });
  try {
    return readTrainingFile(path.endsWith('.toml') ? toml(text) : parse(text));
  } catch (cause) {
    if (cause instanceof YAMLParseError) throw new UserError(`${path}: not YAML: ${cause.message}`, { cause });
    if (cause instanceof TomlError) throw new UserError(`${path}: not TOML: ${cause.message}`, { cause });
    throw cause;
  }
}
