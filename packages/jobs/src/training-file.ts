import { closest } from 'fastest-levenshtein';
import { z } from 'zod';
import { aliases } from './aliases.ts';
import { housekeeping, instead, neutral, readings } from './other-trainers.ts';
import { RequestError } from './request-error.ts';
import { type Setting, settingsSchema, type TrainingFile } from './training-settings.ts';

export { aliases } from './aliases.ts';
export { settingsSchema, type TrainingFile } from './training-settings.ts';

/*
 * The settings file of lora-scripts, as its users write it, with the options of kohya's and diffusers' trainers beside its own.
 * Reading the folders that it names is left to whoever has a disk.
 */

/** Every name of every setting. */
const settings = new Map(
  settingsSchema.keyof().options.flatMap((key) => [key, ...(aliases[key] ?? [])].map((name): [string, Setting] => [name, key])),
);

/**
 * Reads a settings file's parsed YAML or TOML. Settings without a value count as not there, as `seed:` and `reg_data_dir: ""`; in
 * which section they are does not matter.
 * @returns the settings, and the keys among them that have no meaning here
 * @throws RequestError `bad_settings` that names everything that is wrong, `param` the first of it
 */
export function readTrainingFile(content: unknown): { file: TrainingFile; ignored: string[] } {
  const lines = z.record(z.string(), z.unknown()).safeParse(content);
  if (!lines.success) throw new RequestError('bad_settings', 'not a list of settings; want lines like `lora_rank: 8`', null);
  const problems: { key: string; problem: string }[] = [];
  const found = new Map<Setting, { name: string; value: unknown }>();
  const ignored: string[] = [];
  const set = (setting: Setting, name: string, value: unknown) => {
    const reading = readings[setting];
    const read = tolerant(settingsSchema.shape[setting], reading ? reading(value) : value);
    if (read === undefined) return;
    const other = found.get(setting);
    if (other && JSON.stringify(other.value) !== JSON.stringify(read))
      problems.push({ key: name, problem: `the same setting as ${other.name}, with another value; want one of them` });
    found.set(setting, { name, value: read });
  };
  const said = [...linesOf(lines.data)];
  for (const [name, value] of said) {
    const setting = settings.get(name);
    const wanted = neutral.get(name);
    const plain = tolerant(z.union([z.number(), z.boolean()]), value);
    // As with kohya's trainer, the UNet's own rate goes before the one for all.
    const own = setting === 'learning_rate' ? said.find(([other]) => other === 'unet_lr') : undefined;
    if (own && Number(own[1]) !== Number(value)) ignored.push(name);
    else if (setting) set(setting, name, value);
    else if (name === 'network_train_unet_only' && typeof plain === 'boolean') set('train_text_encoder', name, !plain);
    else if (housekeeping.includes(name)) ignored.push(name);
    else if (wanted?.includes(plain)) continue;
    else if (instead.has(name)) problems.push({ key: name, problem: `not supported; want ${instead.get(name)}` });
    else if (!wanted) problems.push({ key: name, problem: `unknown; did you mean ${closest(name, known)}?` });
    else
      problems.push({
        key: name,
        problem: `${JSON.stringify(value)} is not supported; want ${wanted.join(' or ')}, or no ${name}`,
      });
  }
  // kohya's trainer trains the text encoder unless told otherwise; giving it a rate is taken as asking for it.
  if (found.has('text_encoder_lr') && !found.has('train_text_encoder')) set('train_text_encoder', 'text_encoder_lr', true);
  const read = settingsSchema.safeParse(Object.fromEntries([...found].map(([key, { value }]) => [key, value])));
  for (const { path, message } of read.error?.issues ?? []) {
    const setting = settingsSchema.keyof().parse(path[0]);
    const name = found.get(setting)?.name;
    const missing = `missing; want the ${settingsSchema.shape[setting].meta()?.description ?? setting}`;
    problems.push(name ? { key: [name, ...path.slice(1)].join('.'), problem: message } : { key: setting, problem: missing });
  }
  const [first] = problems;
  if (!read.success || first) {
    const list = problems.map(({ key, problem }) => `${key}: ${problem}`).join('\n');
    throw new RequestError('bad_settings', list, first?.key ?? null);
  }
  return { file: read.data, ignored };
}

const known = [...settings.keys(), ...neutral.keys(), ...instead.keys(), ...housekeeping];

/** Settings with a value, out of their sections; kohya's `optimizer_args: ["weight_decay=0.1"]` is `optimizer_args.weight_decay`. */
function* linesOf(lines: Record<string, unknown>): Generator<[name: string, value: unknown]> {
  for (const [name, value] of Object.entries(lines)) {
    const section = z.record(z.string(), z.unknown()).safeParse(value);
    const list = typeof value === 'string' ? value.split(/\s+/) : z.array(z.unknown()).safeParse(value).data;
    if (value === null || value === '') continue;
    if (section.success) yield* linesOf(section.data);
    else if (/_args(_custom)?$/.test(name) && list) {
      for (const argument of list) {
        const [, key, set] = /^(\w+)\s*=\s*(.*)$/.exec(String(argument)) ?? [];
        if (key !== undefined) yield [`${name.replace('_custom', '')}.${key}`, set];
        else yield [name, argument];
      }
    } else yield [name, value];
  }
}

const words = new Map([
  ...['yes', 'on', 'true'].map((word) => [word, true] as const),
  ...['no', 'off', 'false'].map((word) => [word, false] as const),
]);

/** What was meant where a number (YAML 1.1 reads `2e-4` as text) or a yes was written as text, or a text looks like either. */
function tolerant(schema: z.ZodType, value: unknown): unknown {
  if (schema.safeParse(value).success) return value;
  const others =
    typeof value === 'string'
      ? [words.get(value.toLowerCase()), ...(value.trim() === '' ? [] : [Number(value)])]
      : typeof value === 'number' || typeof value === 'boolean'
        ? [String(value)]
        : [];
  return others.find((other) => other !== undefined && schema.safeParse(other).success) ?? value;
}
