import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { expect, test } from 'vitest';
import { rooms } from './route.ts';

const kilobyte = 1024;

/** The built files, by name: what each weighs over the line, and which ones it cannot do without. */
async function builtFiles() {
  const built = await build({ root: fileURLToPath(new URL('..', import.meta.url)), build: { write: false } });
  if (!('output' in built)) throw new Error('one output is wanted');
  return new Map(
    built.output.map((file) => [
      file.fileName,
      {
        gzipBytes: gzipSync(file.type === 'chunk' ? file.code : file.source, { level: 9 }).length,
        imports: file.type === 'chunk' ? file.imports : [],
        name: file.type === 'chunk' && (file.isEntry || file.isDynamicEntry) ? file.name : undefined,
      },
    ]),
  );
}

test('what a first visit loads is small, and every page comes alone', async () => {
  const files = await builtFiles();
  const withImports = (fileName: string, seen = new Set<string>()): Set<string> => {
    if (seen.has(fileName)) return seen;
    seen.add(fileName);
    for (const next of files.get(fileName)?.imports ?? []) withImports(next, seen);
    return seen;
  };
  const weigh = (names: Iterable<string>) =>
    [...names].reduce((sum, name) => sum + (files.get(name)?.gzipBytes ?? Number.NaN), 0);
  const named = (name: string) => [...files].find(([, file]) => file.name === name)?.[0] ?? `no chunk ${name}`;

  const frame = withImports(named('index'));
  // No page is in the frame, and the frame with the page that a first visit shows is within the budget.
  for (const room of rooms) expect(frame).not.toContain(named(room));
  expect(weigh(new Set([...frame, ...withImports(named('create'))]))).toBeLessThan(60 * kilobyte);
  for (const room of rooms) {
    const own = [...withImports(named(room))].filter((name) => !frame.has(name));
    expect(weigh(own), room).toBeLessThan(40 * kilobyte);
  }
  expect(weigh([...files.keys()].filter((name) => name.endsWith('.css')))).toBeLessThan(16 * kilobyte);
});
