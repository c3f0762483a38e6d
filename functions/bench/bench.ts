import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { Limits } from '@loraloom/jobs';
import { handle, type LambdaEvent } from 'hono/aws-lambda';
import { z } from 'zod';
import { bundle, forLambda } from '../bundle/bundle.ts';
import { lambdaEnvironment } from '../bundle/environment.ts';
import { createApp } from '../src/app.ts';
import { testApp } from '../src/test-app.ts';

/*
 * What the API costs before it does anything: how large its Lambda function is, how long a new process takes to import it, and how
 * long a request takes in it, with bucket and queues in memory and no limits, so that nothing is waited for. Best with nothing else running;
 * the processor's time, of all threads, is told as well, since it depends less on what else runs.
 */

const starts = 15;
const requests = 1500;

const show = (what: string, value: string, limit: string) => console.log(`  ${what.padEnd(52)} ${value.padStart(12)}  ${limit}`);
const quantile = (times: readonly number[], q: number) =>
  times.toSorted((a, b) => a - b)[Math.floor(q * times.length)] ?? Number.NaN;

const median = (times: readonly number[]) => quantile(times, 0.5);
const startSchema = z.object({ milliseconds: z.number(), cpu: z.number() });

const { text } = await bundle('src/lambda.ts', forLambda);
console.log('The API on Lambda');
show('bundle, gzipped', `${(gzipSync(text, { level: 9 }).length / 1000).toFixed(1)} KB`, 'of at most 150');

const folder = await mkdtemp(join(tmpdir(), 'loraloom-bench-'));
const path = join(folder, 'lambda.mjs');
await writeFile(path, text);
const program = `const { user: u, system: s } = process.cpuUsage();
  const [begun, before] = [performance.now(), (u + s) / 1000];
  await import(${JSON.stringify(path)});
  const { user, system } = process.cpuUsage();
  process.stdout.write(JSON.stringify({ milliseconds: performance.now() - begun, cpu: (user + system) / 1000 - before }));`;
const taken: { milliseconds: number; cpu: number }[] = [];
for (let i = 0; i < starts; i++) {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    env: lambdaEnvironment,
  });
  taken.push(startSchema.parse(JSON.parse(stdout)));
}
await rm(folder, { recursive: true });
show(
  `import in a new process of Node ${process.version}, median`,
  `${median(taken.map(({ milliseconds }) => milliseconds)).toFixed(1)} ms`,
  `of at most 60; processor ${median(taken.map(({ cpu }) => cpu)).toFixed(1)} ms`,
);

const { services, alpha, call } = await testApp();
/** Nothing is ever used up. */
const limits: Limits = {
  charge: async () => ({ charged: true, repeated: false, counters: {}, open: [] }),
  close: async () => undefined,
  read: async () => ({ counters: {}, open: [] }),
};
const handler = handle(createApp({ ...services, limits }));
const image = { model: 'emoji', prompt: 'red apple, blue background', loras: [{ name: 'style', weight: 0.8 }] };
const { id } = await (await call('POST', '/v1/images', image)).json();
const works = {
  'POST /v1/images, a new one': () => ask('POST', '/v1/images', 202, image),
  'GET /v1/images/{id}': () => ask('GET', `/v1/images/${id}`, 200),
  'POST /v1/images, which does not fit its schema': () => ask('POST', '/v1/images', 422, { ...image, steps: 0 }),
};

/** As the gateway calls the function; @returns its milliseconds. */
async function ask(method: string, rawPath: string, status: number, body?: object): Promise<number> {
  const event: LambdaEvent = JSON.parse(
    JSON.stringify({
      ...{ version: '2.0', routeKey: '$default', rawPath, rawQueryString: '', isBase64Encoded: false },
      headers: { host: 'api.example', authorization: `Bearer ${alpha}`, 'content-type': 'application/json' },
      requestContext: { http: { method, path: rawPath, sourceIp: '192.0.2.1' } },
      ...(body ? { body: JSON.stringify(body) } : {}),
    }),
  );
  const begun = performance.now();
  const answer = await handler(event);
  const milliseconds = performance.now() - begun;
  if (answer.statusCode !== status) throw new Error(`${answer.statusCode}: ${answer.body}`);
  return milliseconds;
}

for (const [what, work] of Object.entries(works)) {
  for (let i = 0; i < requests / 4; i++) await work();
  const before = process.cpuUsage();
  const times: number[] = [];
  for (let i = 0; i < requests; i++) times.push(await work());
  const { user, system } = process.cpuUsage(before);
  const rest = `p99 ${quantile(times, 0.99).toFixed(2)} ms, processor ${((user + system) / 1000 / requests).toFixed(2)} ms`;
  show(`${what}, p50`, `${median(times).toFixed(2)} ms`, `of at most 1; ${rest}`);
}
