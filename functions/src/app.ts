import { bodyLimit } from 'hono/body-limit';
import { cors } from 'hono/cors';
import { requestId } from 'hono/request-id';
import { authenticate } from './authenticate.ts';
import { batches } from './batches.ts';
import { ApiError, answerError } from './error.ts';
import { files } from './files.ts';
import { health } from './health.ts';
import { images } from './images.ts';
import { loras } from './loras.ts';
import { models } from './models.ts';
import { newRouter } from './router.ts';
import type { Services } from './services.ts';
import { trainingCheck } from './training-check.ts';
import { trainings } from './trainings.ts';
import { webhooks } from './webhooks.ts';

/** A thousand files with captions of 2,000 characters fit; Lambda takes 6 MB. */
const maxBodyBytes = 4 * 1024 * 1024;

/** The HTTP API. Web APIs only: it runs on Lambda, at the edge, and on Node. */
export function createApp(services: Services) {
  const app = newRouter();
  app.use(requestId());
  app.use(
    cors({
      origin: [...services.origins],
      allowHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key', 'Prefer', 'X-Request-Id'],
      exposeHeaders: ['Location', 'Preference-Applied', 'Retry-After', 'X-Request-Id'],
      maxAge: 600,
    }),
  );
  app.use('/v1/*', authenticate(services));
  app.use(
    '/v1/*',
    bodyLimit({
      maxSize: maxBodyBytes,
      onError: () => {
        throw new ApiError(413, 'too_large', `the body is too large; want at most ${maxBodyBytes} bytes`);
      },
    }),
  );

  app.route('/', health());
  app.route('/v1/files', files(services));
  app.route('/v1/trainings', trainings(services));
  app.route('/', trainingCheck(services));
  app.route('/v1/images', images(services));
  app.route('/v1/batches', batches(services));
  app.route('/v1/loras', loras(services));
  app.route('/v1/webhooks', webhooks(services));
  app.route('/v1/models', models(services));

  app.openAPIRegistry.registerComponent('securitySchemes', 'apiKey', { type: 'http', scheme: 'bearer' });
  app.doc31('/openapi.json', {
    openapi: '3.1.0',
    info: { title: 'Loraloom', version: '1', description: 'Train LoRAs from a handful of pictures and generate with them.' },
    security: [{ apiKey: [] }],
  });

  // Routes other than middleware, to tell "no such path" from "not with this method".
  const routes = app.routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => ({ method, path: new RegExp(`^${path.replaceAll(/\/:\w+/g, '/[^/]+')}$`) }));
  app.notFound((c) => {
    const allowed = [...new Set(routes.filter(({ path }) => path.test(c.req.path)).map(({ method }) => method))];
    if (allowed.length === 0) throw new ApiError(404, 'not_found', `no route ${c.req.path}; see /openapi.json`);
    c.header('Allow', allowed.join(', '));
    throw new ApiError(405, 'method_not_allowed', `want ${allowed.join(' or ')}, not ${c.req.method}`);
  });
  app.onError((error, c) => answerError(error, c, services.log));
  return app;
}
