import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { testApp } from '../src/test-app.ts';
import { bundle, forLambda } from './bundle.ts';
import { lambdaEnvironment } from './environment.ts';

const { text, modules } = await bundle('src/lambda.ts', forLambda);

test('the API is less than 150 KB, in one language', () => {
  const { length } = gzipSync(text, { level: 9 });
  console.log(`functions/src/lambda.ts: ${length} bytes gzipped of at most 150000`);
  expect(length).toBeLessThan(150_000);
  expect(modules.filter((path) => path.includes('zod/v4/locales/'))).toEqual(['node_modules/zod/v4/locales/en.js']);
});

test('what was left out is not missed: it describes itself and refuses as the app does that was not bundled', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'loraloom-bundle-'));
  const path = join(folder, 'lambda.mjs');
  await writeFile(path, text);
  const ask = async (rawPath: string) => {
    const event = { version: '2.0', rawPath, rawQueryString: '', headers: {}, requestContext: { http: { method: 'GET' } } };
    const program = `const { handler } = await import(${JSON.stringify(path)});
      process.stdout.write('\\n' + (await handler(${JSON.stringify(event)})).body);`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
      env: lambdaEnvironment,
      maxBuffer: 2 ** 24,
    });
    // Behind what it logs.
    return JSON.parse(stdout.split('\n').at(-1) ?? '');
  };
  const { app } = await testApp();
  try {
    expect(await ask('/openapi.json')).toEqual(await (await app.request('/openapi.json')).json());
    expect(await ask('/v1/images')).toMatchObject({ error: { code: 'unauthorized' } });
  } finally {
    await rm(folder, { recursive: true });
  }
});
