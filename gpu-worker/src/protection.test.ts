import { createServer, type Server } from 'node:http';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { type Protection, taskProtection } from './protection.ts';

const asked: string[] = [];
/** What the agent answers next, in place of saying that it is so. */
let refusals: { status: number; body: string }[];
let lines: Record<string, unknown>[];
let server: Server;
let protection: Protection;

beforeEach(async () => {
  asked.length = 0;
  refusals = [];
  lines = [];
  server = createServer(async (request, response) => {
    const body = String(Buffer.concat(await request.toArray()));
    asked.push(`${request.method} ${request.url} ${body}`);
    const refusal = refusals.shift();
    if (refusal) return response.writeHead(refusal.status).end(refusal.body);
    const { ProtectionEnabled } = z.object({ ProtectionEnabled: z.boolean() }).parse(JSON.parse(body));
    response.end(JSON.stringify({ protection: { ProtectionEnabled, TaskArn: 'arn:aws:ecs:eu-central-1:1:task/a/b' } }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  await protection.close();
  server.closeAllConnections();
  server.close();
});

function protect(times: { lookMilliseconds: number; renewMilliseconds: number; idleMilliseconds: number }) {
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  protection = taskProtection(`http://127.0.0.1:${port}/api/42`, { log: (line) => lines.push(line) }, times);
}

const on = 'PUT /api/42/task-protection/v1/state {"ProtectionEnabled":true,"ExpiresInMinutes":60}';
const off = 'PUT /api/42/task-protection/v1/state {"ProtectionEnabled":false}';
const until = (wanted: string[]) => vi.waitFor(() => expect(asked).toEqual(wanted), { timeout: 10_000, interval: 5 });

it('is asked for with the first job, kept while there is any, and given back after the last', async () => {
  protect({ lookMilliseconds: 1e6, renewMilliseconds: 1e6, idleMilliseconds: 0 });
  protection.begun();
  protection.begun();
  protection.ended();
  await until([on]);
  protection.ended();
  await until([on, off]);
  protection.begun();
  await until([on, off, on]);
  expect(lines).toEqual([]);
});

it('lasts from one short job to the next, and is given back when the worker stops', async () => {
  protect({ lookMilliseconds: 1e6, renewMilliseconds: 1e6, idleMilliseconds: 1e6 });
  for (let job = 0; job < 3; job++) {
    protection.begun();
    protection.ended();
  }
  await protection.close();
  expect(asked).toEqual([on, off]);
  await protection.close();
  expect(asked).toEqual([on, off]);
});

it('is renewed while a job lasts', async () => {
  protect({ lookMilliseconds: 5, renewMilliseconds: 0, idleMilliseconds: 0 });
  protection.begun();
  await vi.waitFor(() => expect(asked.length).toBeGreaterThan(3), { timeout: 10_000, interval: 5 });
  expect(new Set(asked)).toEqual(new Set([on]));
});

it('is asked for again when it was refused, and holds up nothing', async () => {
  refusals = [
    // As ECS answers for a task that it is stopping, and the agent when it has no rights
    {
      status: 200,
      body: '{"failure":{"Arn":"arn:aws:ecs:eu-central-1:1:task/a/b","Reason":"DEPLOYMENT_BLOCKED","Detail":null}}',
    },
    { status: 400, body: '{"error":{"Arn":"a","Code":"AccessDeniedException","Message":"not authorized"}}' },
    { status: 500, body: 'no JSON' },
  ];
  protect({ lookMilliseconds: 5, renewMilliseconds: 1e6, idleMilliseconds: 0 });
  protection.begun();
  await until([on, on, on, on]);
  expect(lines.map(({ message, error }) => `${message}: ${error}`)).toEqual([
    'task protection not changed: Error: 200 DEPLOYMENT_BLOCKED',
    'task protection not changed: Error: 400 AccessDeniedException not authorized',
    expect.stringContaining('not valid JSON'),
  ]);
});
