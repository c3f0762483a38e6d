import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

test('all of it is less than 8 KB for a browser, and needs nothing else', async () => {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(import.meta.dirname, 'index.ts')],
    ...{ bundle: true, minify: true, format: 'esm', platform: 'browser', target: 'es2022', write: false, metafile: true },
  });
  const inputs = Object.keys(metafile.inputs);
  expect(inputs.filter((path) => !path.startsWith('packages/client/src/'))).toEqual([]);
  const { length } = gzipSync(outputFiles[0]?.contents ?? '', { level: 9 });
  console.log(`packages/client: ${length} bytes gzipped of at most 8000`);
  expect(length).toBeLessThan(8000);
});
