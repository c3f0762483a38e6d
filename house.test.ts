import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';

const root = import.meta.dirname;

/** Which rooms a room may import, and nothing else; `types` are free at run time. */
const house: Record<string, { folder: string; may: string[]; types?: string[] }> = {
  jobs: { folder: 'packages/jobs', may: [] },
  'lora-files': { folder: 'packages/lora-files', may: [] },
  engine: { folder: 'packages/engine', may: ['lora-files'] },
  moderation: { folder: 'packages/moderation', may: [] },
  nsfw: { folder: 'packages/nsfw', may: ['engine'] },
  metrics: { folder: 'packages/metrics', may: [] },
  functions: { folder: 'functions', may: ['jobs', 'lora-files', 'moderation'] },
  'gpu-worker': { folder: 'gpu-worker', may: ['jobs', 'engine', 'metrics', 'nsfw', 'trainer'] },
  client: { folder: 'packages/client', may: [], types: ['jobs', 'functions'] },
  studio: { folder: 'packages/studio', may: ['client'] },
  trainer: { folder: 'packages/trainer', may: ['jobs', 'engine'] },
  cli: { folder: 'packages/cli', may: ['jobs', 'engine', 'trainer', 'client', 'emoji-base'] },
  'emoji-base': { folder: 'packages/emoji-base', may: ['engine'] },
  drill: { folder: 'packages/drill', may: ['client', 'engine', 'functions', 'gpu-worker', 'jobs', 'local'] },
  local: { folder: 'packages/local', may: ['functions', 'gpu-worker', 'jobs', 'metrics', 'client', 'emoji-base'] },
};

/** The engine's floors, lowest first: nothing may reach a higher one, directly or through others. */
const floors = ['graph/', 'layers.', 'models/', 'families/', /^(lora|adapters|texts|image|denoise|train|generate)[./]/];

/** What lies outside, and the one file that knows it. */
const outsideWorlds = { 'onnxruntime-node': 'packages/engine/src/graph/compile.ts', sharp: 'packages/engine/src/pixels.ts' };

type Import = { from: string; specifier: string; typeOnly: boolean };

/** Every import and re-export of a file, by its text alone. */
function importsOf(from: string): Import[] {
  const text = readFileSync(join(root, from), 'utf8').replaceAll(/^\s*(\/\*[\s\S]*?\*\/|\/\/.*$)/gm, '');
  const found = [
    ...text.matchAll(/^\s*(?:import|export)\s+(type\s)?([^'";]*?)\s*from\s*['"]([^'"]+)['"]/gm),
    ...text.matchAll(/^\s*import()()\s+['"]([^'"]+)['"]/gm),
    ...text.matchAll(/\bimport()()\(\s*['"]([^'"]+)['"]/g),
  ];
  return found.map(([, type, names = '', specifier = '']) => {
    const inner = /^\{([^}]*)\}$/
      .exec(names)?.[1]
      ?.split(',')
      .filter((name) => name.trim() !== '');
    const typeOnly = type !== undefined && type !== '' ? true : (inner?.every((name) => /^\s*type\s/.test(name)) ?? false);
    return { from, specifier, typeOnly };
  });
}

const files = (folder: string) =>
  globSync(`${folder}/**/*.{ts,tsx}`, { cwd: root, exclude: (path) => /node_modules|dist/.test(path) }).map((path) =>
    path.replaceAll('\\', '/'),
  );
const isTest = (file: string) => /\.test\.tsx?$|\.config\.ts$/.test(file);
const packageName = (specifier: string) => /^(@[^/]+\/[^/]+|[^/]+)/.exec(specifier)?.[1] ?? specifier;

const names = z.record(z.string(), z.string()).default({});
const manifestSchema = z.object({ dependencies: names, devDependencies: names });
const manifestOf = (folder: string) => manifestSchema.parse(JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')));

test.each(Object.entries(house))(
  '%s imports only what its package.json names and the plan allows',
  (_, { folder, may, types = [] }) => {
    const { dependencies, devDependencies } = manifestOf(folder);
    const ours = (list: object) => Object.keys(list).flatMap((name) => /^@loraloom\/(.+)$/.exec(name)?.[1] ?? []);
    expect(may).toEqual(expect.arrayContaining(ours(dependencies)));
    expect([...may, ...types]).toEqual(expect.arrayContaining(ours(devDependencies)));

    const wrong = files(folder)
      .flatMap(importsOf)
      .filter(({ from, specifier, typeOnly }) => {
        if (specifier.startsWith('node:')) return false;
        if (specifier.startsWith('.')) return !normalize(join(dirname(from), specifier)).startsWith(normalize(`${folder}/`));
        const name = packageName(specifier);
        if (name.startsWith('@loraloom/')) return !(name in dependencies) && !(typeOnly && name in devDependencies);
        if (name === 'vitest' && isTest(from)) return false;
        return !(name in dependencies) && !(name in devDependencies);
      });
    expect(wrong).toEqual([]);
  },
);

test('inside the engine imports go downwards only', () => {
  const src = 'packages/engine/src/';
  const sources = files(src).filter((file) => !isTest(file));
  const below = new Map(
    sources.map((file) => [
      file,
      importsOf(file)
        .filter(({ specifier }) => specifier.startsWith('.'))
        .map(({ specifier }) => normalize(join(dirname(file), specifier))),
    ]),
  );
  const floorOf = (file: string) => {
    const path = file.slice(src.length);
    return floors.findIndex((floor) => (typeof floor === 'string' ? path.startsWith(floor) : floor.test(path)));
  };
  const reach = (file: string, seen = new Set<string>()): Set<string> => {
    for (const next of below.get(file) ?? []) if (!seen.has(next)) reach(next, seen.add(next));
    return seen;
  };
  const upwards = sources.flatMap((file) => {
    const floor = floorOf(file);
    return floor < 0 ? [] : [...reach(file)].filter((other) => floorOf(other) > floor).map((other) => `${file} reaches ${other}`);
  });
  expect(upwards).toEqual([]);
  // Every floor is there: a renamed folder must not silently take its rule with it.
  expect(new Set(sources.map(floorOf))).toEqual(new Set([-1, 0, 1, 2, 3, 4]));
});

test.each(Object.entries(outsideWorlds))('%s is known to one file of the engine', (name, file) => {
  const sources = files('packages/engine/src').filter((from) => !isTest(from));
  const knowing = sources.filter((from) => importsOf(from).some(({ specifier }) => specifier === name));
  expect(knowing).toEqual([file]);
});
