import { execFile, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { OnLoadResult, OnResolveResult, Plugin } from 'esbuild';
import type { Build } from './evaluate.ts';

const root = join(import.meta.dirname, '../..');
const platform = join(root, '.sst/platform');

/** Builds a function with the esbuild and the options that SST has for Node (its pkg/runtime/node); @returns the bundle's path. */
export async function bundle({ handler, properties }: Build): Promise<string> {
  const outfile = join(mkdtempSync(join(tmpdir(), 'bundle-')), 'bundle.mjs');
  const { build }: typeof import('esbuild') = await import(`${platform}/node_modules/esbuild/lib/main.js`);
  const banner = [
    "import { createRequire as topLevelCreateRequire } from 'module';",
    'const require = topLevelCreateRequire(import.meta.url);',
    'import { fileURLToPath as topLevelFileUrlToPath, URL as topLevelURL } from "url"',
    'const __filename = topLevelFileUrlToPath(import.meta.url)',
    'const __dirname = topLevelFileUrlToPath(new topLevelURL(".", import.meta.url))',
  ].join('\n');
  await build({
    entryPoints: [join(root, handler.replace(/\.\w+$/, '.ts'))],
    ...{
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'esnext',
      keepNames: properties.esbuild.keepNames,
      mainFields: ['module', 'main'],
    },
    ...{ external: ['sharp', 'pg-native'], banner: { js: banner }, minify: properties.minify, outfile, logLevel: 'error' },
    plugins: properties.plugins === undefined ? [] : [bridge(properties.plugins)],
  });
  return outfile;
}

/** Plugins as SST asks them: in a process of their own, through the program that it has for that (its pkg/runtime/node/plugin.go). */
function bridge(path: string): Plugin {
  return {
    name: 'nodejs-plugin',
    setup(build) {
      const program = join(platform, 'functions/nodejs-runtime/plugin.mjs');
      const child = spawn(process.execPath, [program, join(root, path)], { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] });
      const waiting = new Map<number, (value: object) => void>();
      createInterface({ input: child.stdout }).on('line', (line) => {
        const { id, value } = JSON.parse(line);
        waiting.get(id)?.(value);
        waiting.delete(id);
      });
      const ask = <T>(command: string, value: object) =>
        new Promise<T>((resolve) => {
          const id = asked++;
          waiting.set(id, resolve as (value: object) => void);
          child.stdin.write(`${JSON.stringify({ id, command, value })}\n`);
        });
      let asked = 0;
      build.onResolve({ filter: /.*/ }, (question) => ask<OnResolveResult>('resolve', question));
      build.onLoad({ filter: /.*/ }, (question) => ask<OnLoadResult>('load', question));
      build.onDispose(() => child.kill());
    },
  };
}

/** Calls a bundle's handler in a process of its own, as Lambda would, and @returns what it answers. */
export async function invoke(bundlePath: string, env: Record<string, string>, event: object): Promise<unknown> {
  const call = `const { handler } = await import(${JSON.stringify(bundlePath)});
    process.stdout.write('\\n' + JSON.stringify(await handler(${JSON.stringify(event)})));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', call], { env });
  return JSON.parse(stdout.split('\n').at(-1) ?? '');
}
