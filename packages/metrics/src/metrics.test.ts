import { once } from 'node:events';
import { createServer } from 'node:http';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { openMetrics } from './index.ts';

test('what was told is there for Prometheus, by name and label', async () => {
  const metrics = openMetrics('test');
  metrics.request({ method: 'GET', route: '/v1/images/:id', status: 200 }, 0.03);
  metrics.request({ method: 'GET', route: '/v1/images/:id', status: 200 }, 4);
  metrics.begun('image', 0.2);
  metrics.ended('image', 'succeeded', 1.5);
  metrics.steps('image', 20);
  metrics.steps('image', 5);
  metrics.lookup('loras', true);
  metrics.lookup('loras', false);
  metrics.lookup('loras', true);
  metrics.watchQueue('images', async () => ({ depth: 7, oldestSeconds: 12 }));
  const lines = (await metrics.text()).split('\n').filter((line) => !line.startsWith('#'));
  /** The value of the line with this name and all of these labels. */
  const value = (name: string, ...labels: string[]) => {
    const line = lines.find((one) => one.startsWith(`${name}{`) && labels.every((label) => one.includes(label)));
    return line === undefined ? undefined : Number(line.split('} ')[1]?.split(' ')[0]);
  };
  const route = 'route="/v1/images/:id"';
  expect(value('loraloom_request_seconds_count', route, 'status="200"')).toBe(2);
  expect(value('loraloom_request_seconds_sum', route)).toBeCloseTo(4.03);
  // One of the two is below 50 ms, both below 5 s: this is where quantiles come from.
  expect(value('loraloom_request_seconds_bucket', route, 'le="0.05"')).toBe(1);
  expect(value('loraloom_request_seconds_bucket', route, 'le="5"')).toBe(2);
  expect(value('loraloom_job_wait_seconds_sum', 'kind="image"')).toBeCloseTo(0.2);
  expect(value('loraloom_job_run_seconds_count', 'status="succeeded"')).toBe(1);
  expect(value('loraloom_steps_total', 'kind="image"')).toBe(25);
  expect(value('loraloom_cache_lookups_total', 'cache="loras"', 'result="hit"')).toBe(2);
  expect(value('loraloom_cache_lookups_total', 'cache="loras"', 'result="miss"')).toBe(1);
  expect(value('loraloom_queue_depth', 'queue="images"')).toBe(7);
  expect(value('loraloom_queue_oldest_seconds', 'queue="images"')).toBe(12);
  await metrics.end();
});

test('a collector gets it by OTLP, the last of it at the end', async () => {
  const bodies: string[] = [];
  const collector = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    bodies.push(`${request.url} ${body}`);
    response.end('{}');
  }).listen(0, '127.0.0.1');
  await once(collector, 'listening');
  const { port } = z.object({ port: z.int() }).parse(collector.address());
  const metrics = openMetrics('worker', `http://127.0.0.1:${port}/`);
  metrics.steps('training', 3);
  await metrics.end();
  expect(bodies).toHaveLength(1);
  const [place = '', json = ''] = bodies[0]?.split(/ (.*)/s) ?? [];
  expect(place).toBe('/v1/metrics');
  expect(JSON.parse(json)).toMatchObject({
    resourceMetrics: [
      {
        resource: { attributes: expect.arrayContaining([{ key: 'service.name', value: { stringValue: 'worker' } }]) },
        scopeMetrics: [{ metrics: [{ name: 'loraloom.steps', sum: { dataPoints: [{ asDouble: 3 }] } }] }],
      },
    ],
  });
  collector.close();
});
