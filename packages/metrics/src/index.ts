import { createServer, type Server } from 'node:http';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AggregationType, InstrumentType, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';

/** What a process tells of its work; see docs/operations.md for the names. Times are in seconds. */
export interface Metrics {
  /** An answered request to the API. `route` is the route's name: paths with ids in them would be without number. */
  request(what: { method: string; route: string; status: number }, seconds: number): void;
  /** A job that a worker has begun, and how long it had waited. */
  begun(kind: string, waitedSeconds: number): void;
  /** A job that a worker has brought to an end. */
  ended(kind: string, status: string, ranSeconds: number): void;
  /** Steps that a job went on by: of denoising for each request, of training. */
  steps(kind: string, count: number): void;
  /** Something was looked for where it is kept between jobs. */
  lookup(cache: string, hit: boolean): void;
  /** Asks, whenever somebody looks, how many messages a queue has, and how long the oldest has been there. */
  watchQueue(queue: string, look: () => Promise<{ depth: number; oldestSeconds: number }>): void;
  /** All of it as Prometheus reads it (text format 0.0.4), without `target_info`: texts of several processes go into one. */
  text(): Promise<string>;
  /** Sends what has not been sent, and ends. */
  end(): Promise<void>;
}

/** Answers GET /metrics on loopback. */
export function serveMetrics(metrics: Pick<Metrics, 'text'>, port: number): Server {
  const server = createServer(async ({ method, url }, response) => {
    if (method !== 'GET' || url !== '/metrics') return response.writeHead(404).end();
    const text = await metrics.text();
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text);
  });
  return server.listen(port, '127.0.0.1');
}

/** From a picture on a GPU to a night's training; p50 and p95 are read off these. */
const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400];

/**
 * @param service the process's name, as OpenTelemetry's `service.name`
 * @param otlpEndpoint where OpenTelemetry's collector is, as `http://localhost:4318`; all is sent there once a minute
 */
export function openMetrics(service: string, otlpEndpoint?: string): Metrics {
  const prometheus = new PrometheusExporter({ preventServerStart: true });
  const sent =
    otlpEndpoint &&
    new PeriodicExportingMetricReader({
      exporter: new OTLPMetricExporter({ url: `${otlpEndpoint.replace(/\/+$/, '')}/v1/metrics` }),
      exportIntervalMillis: 60_000,
    });
  const provider = new MeterProvider({
    resource: resourceFromAttributes({ 'service.name': service }),
    readers: [prometheus, ...(sent ? [sent] : [])],
    views: [
      {
        instrumentType: InstrumentType.HISTOGRAM,
        aggregation: { type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM, options: { boundaries: bounds } },
      },
    ],
  });
  const meter = provider.getMeter('loraloom');
  const histogram = (name: string, description: string) => meter.createHistogram(`loraloom.${name}`, { description, unit: 's' });
  const requests = histogram('request.seconds', 'Time until the API has answered');
  const waits = histogram('job.wait.seconds', 'Time from a job’s request to its begin');
  const runs = histogram('job.run.seconds', 'Time from a job’s begin to its end');
  const steps = meter.createCounter('loraloom.steps', { description: 'Steps of denoising, for each request, and of training' });
  const lookups = meter.createCounter('loraloom.cache.lookups', { description: 'Looked for among what is kept between jobs' });
  const depth = meter.createObservableGauge('loraloom.queue.depth', { description: 'Messages waiting and being worked on' });
  const age = meter.createObservableGauge('loraloom.queue.oldest.seconds', {
    description: 'Age of the oldest message waiting',
    unit: 's',
  });
  return {
    request: ({ method, route, status }, seconds) => requests.record(seconds, { method, route, status }),
    begun: (kind, waitedSeconds) => waits.record(waitedSeconds, { kind }),
    ended: (kind, status, ranSeconds) => runs.record(ranSeconds, { kind, status }),
    steps: (kind, count) => steps.add(count, { kind }),
    lookup: (cache, hit) => lookups.add(1, { cache, result: hit ? 'hit' : 'miss' }),
    watchQueue(queue, look) {
      meter.addBatchObservableCallback(
        async (observed) => {
          const now = await look();
          observed.observe(depth, now.depth, { queue });
          observed.observe(age, now.oldestSeconds, { queue });
        },
        [depth, age],
      );
    },
    async text() {
      const { resourceMetrics } = await prometheus.collect();
      return new PrometheusSerializer(undefined, false, undefined, true).serialize(resourceMetrics);
    },
    end: () => provider.shutdown(),
  };
}
