import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { copies, execForm, inContext, pairs, parseDockerfile } from '../test/dockerfile.ts';

const root = join(import.meta.dirname, '../..');
const dockerfile = join(root, 'gpu-worker/Dockerfile');
const instructions = parseDockerfile(readFileSync(dockerfile, 'utf8'));
const of = (name: string) => instructions.filter((instruction) => instruction.name === name);
const names = z.record(z.string(), z.string()).default({});
const packageSchema = z.object({ dependencies: names, optionalDependencies: names, link: z.boolean().optional() });
const manifestOf = (folder: string) =>
  packageSchema.extend({ devDependencies: names }).parse(JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')));
const lock = z
  .object({ packages: z.record(z.string(), packageSchema) })
  .parse(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))).packages;

/** The worker and the workspaces that it depends on, through others too. */
function workspaces(folder = 'gpu-worker', found = new Set<string>()): Set<string> {
  found.add(folder);
  for (const name of Object.keys(manifestOf(folder).dependencies)) {
    const [, ours] = /^@loraloom\/(.+)$/.exec(name) ?? [];
    if (ours !== undefined && !found.has(`packages/${ours}`)) workspaces(`packages/${ours}`, found);
  }
  return found;
}

/** Where in node_modules the packages lie that an install without development dependencies puts there. */
function installed(from: string, found = new Set<string>()): Set<string> {
  const { dependencies = {}, optionalDependencies = {} } = lock[from] ?? {};
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    // As Node looks for it: here, then in every folder above.
    const above = from.split('/').map((_, i, parts) => `${parts.slice(0, parts.length - i).join('/')}/`);
    const place = [...above, ''].map((folder) => `${folder}node_modules/${name}`).find((path) => path in lock);
    if (place === undefined || lock[place]?.link || found.has(place)) continue;
    found.add(place);
    installed(place, found);
  }
  return found;
}

describe('rules', () => {
  test('every line is an instruction, and every base is one exact version', () => {
    const known = ['FROM', 'WORKDIR', 'COPY', 'RUN', 'SHELL', 'ENV', 'VOLUME', 'USER', 'STOPSIGNAL', 'HEALTHCHECK', 'ENTRYPOINT'];
    expect(instructions.filter(({ name }) => !known.includes(name))).toEqual([]);
    for (const { rest } of of('FROM')) expect(rest).toMatch(/^[a-z/]+:\d+\.\d+\.\d+-[\w.-]+( AS \w+)?$/);
  });

  test('Node is the one that the tests run on, CUDA the one that the provider was built for', () => {
    const [node, cuda] = of('FROM').map(({ rest }) => rest);
    expect(node).toMatch(new RegExp(`^node:${manifestOf('.').devDependencies.node}-`));
    const [, major] =
      /ONNXRUNTIME_NODE_INSTALL=cuda(\d+)/.exec(
        of('RUN')
          .map(({ rest }) => rest)
          .join('\n'),
      ) ?? [];
    expect(cuda).toMatch(new RegExp(`^nvidia/cuda:${major}\\.\\d+\\.\\d+-cudnn-runtime-`));
    // The flag is one that the installed version of the package knows.
    const metadata = readFileSync(join(root, 'node_modules/onnxruntime-node/script/install-metadata.js'), 'utf8');
    expect(metadata).toContain(`'linux/x64:cuda${major}'`);
  });

  test('the program is not root, has no secrets, and gets its signals itself', () => {
    const last = instructions.at(-1)?.stage;
    const [user] = of('USER')
      .filter(({ stage }) => stage === last)
      .slice(-1);
    expect(user?.rest).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    // Nothing is written after the user was changed, and by then all is in place.
    expect(
      instructions
        .slice(instructions.findIndex(({ name }) => name === 'USER'))
        .filter(({ name }) => ['RUN', 'COPY'].includes(name)),
    ).toEqual([]);
    for (const [key] of of('ENV').flatMap(({ rest }) => pairs(rest))) expect(key).not.toMatch(/SECRET|TOKEN|PASSWORD|KEY/);
    for (const name of ['ENTRYPOINT', 'HEALTHCHECK', 'STOPSIGNAL']) expect(of(name), name).toHaveLength(1);
    for (const { rest } of [...of('ENTRYPOINT'), ...of('HEALTHCHECK')]) expect(execForm(rest), rest).toBeDefined();
  });

  test('a command that fails in the middle of a pipe fails the build, and folders are absolute', () => {
    const piping = of('RUN').filter(({ rest }) => execForm(rest) === undefined && /[^|]\|[^|]/.test(rest));
    expect(piping.length).toBeGreaterThan(0);
    for (const { stage } of piping) {
      expect(execForm(of('SHELL').find((shell) => shell.stage === stage)?.rest ?? '')).toContain('pipefail');
    }
    for (const { rest } of [...of('WORKDIR'), ...of('VOLUME')]) expect(rest).toMatch(/^\//);
    for (const { rest } of of('RUN'))
      expect(rest).not.toMatch(/\bsudo\b|\bcurl\b|\bwget\b|apt-get (?!update)(?!.*--no-install-recommends)/);
  });

  test('the environment is what main.ts reads, and the models lie in the volume', () => {
    const environment = Object.fromEntries(of('ENV').flatMap(({ rest }) => pairs(rest)));
    const source = readFileSync(join(root, 'gpu-worker/src/main.ts'), 'utf8');
    expect(Object.keys(environment).filter((key) => key !== 'NODE_ENV' && !source.includes(`  ${key}:`))).toEqual([]);
    expect(of('VOLUME').map(({ rest }) => rest)).toEqual([environment.MODELS_DIR]);
  });

  test('what is copied exists, and is all that the worker imports', () => {
    const from = copies(instructions).map((copy) => copy.from);
    for (const path of from) expect(existsSync(join(root, path)), path).toBe(true);
    // A package's own model comes with it.
    const parts = ['package.json', 'src', 'model'];
    const wanted = [...workspaces()]
      .flatMap((folder) => parts.map((part) => `${folder}/${part}`))
      .filter((path) => existsSync(join(root, path)));
    expect(from.toSorted()).toEqual(['package.json', 'package-lock.json', '.npmrc', ...wanted].toSorted());
  });
});

describe('outside Docker, in a folder with just its files', () => {
  const app = mkdtempSync(join(tmpdir(), 'worker-image-'));
  const environment = Object.fromEntries(of('ENV').flatMap(({ rest }) => pairs(rest)));
  afterAll(() => rmSync(app, { recursive: true }));

  beforeAll(() => {
    const ignore = `${dockerfile}.dockerignore`;
    for (const { from, to } of copies(instructions)) {
      const all = statSync(join(root, from)).isDirectory() ? globSync(`${from}/**/*.*`, { cwd: root }) : [from];
      for (const path of all.filter((file) => inContext(ignore, file))) {
        cpSync(join(root, path), join(app, to, relative(from, path)), { recursive: true });
      }
    }
    for (const place of [...workspaces()].flatMap((folder) => [...installed(folder)])) {
      if (!existsSync(join(root, place)) || existsSync(join(app, place))) continue;
      mkdirSync(dirname(join(app, place)), { recursive: true });
      symlinkSync(join(root, place), join(app, place));
    }
    mkdirSync(join(app, 'node_modules/@loraloom'), { recursive: true });
    for (const folder of workspaces())
      symlinkSync(join(app, folder), join(app, 'node_modules/@loraloom', folder.split('/').at(-1) ?? ''));
  });

  test('tests, base models and secrets stay outside', () => {
    const files = globSync('{gpu-worker,packages}/**/*', { cwd: app });
    expect(files.length).toBeGreaterThan(50);
    expect(files.filter((file) => /\.test\.ts$|\.env|secret(?!\.ts$)/.test(file))).toEqual([]);
    // No base model: those come from the bucket.
    expect(files.filter((file) => file.endsWith('.safetensors') && !file.startsWith('packages/nsfw/model/'))).toEqual([]);
  });

  test('the check of the modules passes as it stands in the Dockerfile', () => {
    const [check] = of('RUN')
      .flatMap(({ rest }) => [execForm(rest) ?? []])
      .filter(([command]) => command === 'node');
    const [, ...options] = check?.map((word) => word.replaceAll('/app/', `${app}/`)) ?? [];
    expect(options).not.toEqual([]);
    execFileSync(process.execPath, options, { cwd: app, stdio: 'pipe' });
    // It can fail: without a package that only a part of the worker imports, it does.
    rmSync(join(app, 'node_modules/sharp'));
    expect(() => execFileSync(process.execPath, options, { cwd: app, stdio: 'pipe' })).toThrow(/sharp/);
    symlinkSync(join(root, 'node_modules/sharp'), join(app, 'node_modules/sharp'));
  });

  test('the check of the libraries fails for any that is missing but the driver', () => {
    const [, script = ''] = /\| awk '([^']+)'/.exec(of('RUN').find(({ rest }) => rest.startsWith('ldd'))?.rest ?? '') ?? [];
    const check = (...lines: string[]) =>
      execFileSync('awk', [script], { input: `${lines.join('\n')}\n`, encoding: 'utf8', stdio: 'pipe' });
    const found = '\tlibcublas.so.12 => /usr/local/cuda/lib64/libcublas.so.12 (0x0)';
    expect(check(found, '\tlibcuda.so.1 => not found')).toContain('libcublas');
    expect(() => check(found, '\tlibcudnn.so.9 => not found')).toThrow();
  });

  test('the entry point starts with the image’s environment and what infra adds, and ends at the stop signal', async () => {
    const [program, ...options] = execForm(of('ENTRYPOINT')[0]?.rest ?? '') ?? [];
    expect(program).toBe('node');
    const nowhere = 'http://127.0.0.1:1'; // Nobody listens there.
    const added = {
      ...{ BUCKET: 'b', TRAININGS_QUEUE_URL: `${nowhere}/1/t`, IMAGES_QUEUE_URL: `${nowhere}/1/i`, QUEUES: 'images' },
      ...{ BATCHES_QUEUE_URL: `${nowhere}/1/b`, WEBHOOKS_QUEUE_URL: `${nowhere}/1/w` },
      ...{ S3_ENDPOINT: nowhere, SQS_ENDPOINT: nowhere, AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' },
    };
    const worker = spawn(process.execPath, options, { cwd: app, env: { ...environment, ...added } });
    const ended = once(worker, 'exit');
    let printed = '';
    for await (const chunk of worker.stdout.setEncoding('utf8')) {
      if (printed === '') worker.kill(z.literal('SIGTERM').parse(of('STOPSIGNAL')[0]?.rest));
      printed += chunk;
    }
    expect(JSON.parse(printed.split('\n')[0] ?? '')).toMatchObject({ message: 'worker started', queues: ['images'] });
    expect((await ended)[0]).toBe(0);
  });
});
