import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Build } from './evaluate.ts';

const root = join(import.meta.dirname, '../..');

/** Builds a function with the esbuild and the options that SST has for Node (its pkg/runtime/node); @returns the bundle's path. */
export function bundle({ handler, properties }: Build): string {
  const outfile = join(mkdtempSync(join(tmpdir(), 'bundle-')), 'bundle.mjs');
  const banner = [
    "import { createRequire as topLevelCreateRequire } from 'module';",
    'const require = topLevelCreateRequire(import.meta.url);',
    'import { fileURLToPath as topLevelFileUrlToPath, URL as topLevelURL } from "url"',
    'const __filename = topLevelFileUrlToPath(import.meta.url)',
    'const __dirname = topLevelFileUrlToPath(new topLevelURL(".", import.meta.url))',
  ].join('\n');
  execFileSync(join(root, '.sst/platform/node_modules/.bin/esbuild'), [
    join(root, handler.replace(/\.\w+$/, '.ts')),
    ...['--bundle', '--platform=node', '--format=esm', '--target=esnext', '--keep-names', '--main-fields=module,main'],
    ...['--external:sharp', '--external:pg-native', `--banner:js=${banner}`, `--outfile=${outfile}`, '--log-level=error'],
    ...(properties.minify ? ['--minify'] : []),
  ]);
  return outfile;
}

/** Calls a bundle's handler in a process of its own, as Lambda would, and @returns what it answers. */
export async function invoke(bundlePath: string, env: Record<string, string>, event: object): Promise<unknown> {
  const call = `const { handler } = await import(${JSON.stringify(bundlePath)});
    process.stdout.write('\\n' + JSON.stringify(await handler(${JSON.stringify(event)})));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', call], { env });
  return JSON.parse(stdout.split('\n').at(-1) ?? '');
}
