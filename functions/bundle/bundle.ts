import { join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';
import plugins from './zod.ts';

/**
 * An entry of this package as one file.
 * @param entry as `src/lambda.ts`
 * @returns its text, and the modules that something of is in it
 */
export async function bundle(entry: string, options: BuildOptions): Promise<{ text: string; modules: string[] }> {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(import.meta.dirname, '..', entry)],
    ...{ bundle: true, minify: true, format: 'esm', target: 'esnext', logLevel: 'error' },
    ...options,
    ...{ plugins, write: false, metafile: true },
  });
  const parts = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.entries(inputs));
  return {
    text: outputFiles[0]?.text ?? '',
    modules: parts.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => path),
  };
}

/** As SST builds the API for Lambda (its pkg/runtime/node/build.go, and infra/api.ts). */
export const forLambda: BuildOptions = { platform: 'node', mainFields: ['module', 'main'] };

/** For workerd, which has Web APIs and no modules of Node's. */
export const forEdge: BuildOptions = { platform: 'browser', conditions: ['workerd', 'worker', 'browser'] };
