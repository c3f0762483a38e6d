import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const packages = join(import.meta.dirname, '../../packages');

/** All specifiers that a file of ours imports at run time, here and through our other files. */
function reachable(file: string, found = new Set<string>(), seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return found;
  seen.add(file);
  const imports = readFileSync(file, 'utf8').matchAll(/^(?:import|export)\s+(?!type\b)[^'";]*?from\s*'([^']+)'/gm);
  for (const [, specifier = ''] of imports) {
    if (specifier.startsWith('.')) reachable(join(dirname(file), specifier), found, seen);
    else if (specifier.startsWith('@loraloom/')) {
      const [, name = '', path = 'index'] = /^@loraloom\/([^/]+)(?:\/(.+))?$/.exec(specifier) ?? [];
      reachable(join(packages, name, 'src', `${path}.ts`), found, seen);
    } else found.add(specifier);
  }
  return found;
}

test.each(['lambda.ts', 'edge.ts'])('%s needs neither Node’s modules nor the AWS SDK, so it starts fast', (file) => {
  const entry = reachable(join(import.meta.dirname, file));
  expect([...entry].filter((name) => name !== 'hono/aws-lambda').sort()).toEqual([
    '@hono/zod-openapi',
    'aws4fetch',
    'fastest-levenshtein',
    'hono/body-limit',
    'hono/cors',
    'hono/html',
    'hono/http-exception',
    'hono/request-id',
    'hono/route',
    'jose',
    'papaparse',
    'zod',
  ]);
});
