import { bodyLimit } from 'hono/body-limit';
import { cors } from 'hono/cors';
import { requestId } from 'hono/request-id';
import { accessOf } from './access.ts';
import { audit } from './audit.ts';
import { authenticate } from './authenticate.ts';
import { batches } from './batches.ts';
import { ApiError, answerError } from './error.ts';
import { files } from './files.ts';
import { generate } from './generate.ts';
import { health } from './health.ts';
import { images } from './images.ts';
import { apiKeys } from './keys.ts';
import { loraImports } from './lora-imports.ts';
import { loras } from './loras.ts';
import { models } from './models.ts';
import { observe } from './observe.ts';
import { openaiImages } from './openai-images.ts';
import { rateLimitHeaders } from './rate.ts';
import { type Description, referencePage } from './reference.ts';
import { newRouter } from './router.ts';
import type { Services } from './services.ts';
import { tokens } from './tokens.ts';
import { trainingCheck } from './training-check.ts';
import { trainings } from './trainings.ts';
import { usage } from './usage.ts';
import { webhooks } from './webhooks.ts';

/** A thousand files with captions of 2,000 characters fit; Lambda takes 6 MB. */
const maxBodyBytes = 4 * 1024 * 1024;

/** The HTTP API. Web APIs only: it runs on Lambda, at the edge, and on Node. */
export function createApp(services: Services) {
  const app = newRouter();
  app.use(requestId());
  app.use(observe(services));
  for (const origin of services.origins) requireExact(origin);
  app.use(
    cors({
      origin: [...services.origins],
      allowHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key', 'Prefer', 'X-Request-Id'],
      exposeHeaders: ['Location', 'Preference-Applied', 'Retry-After', 'X-Request-Id', 'X-Should-Retry', ...rateLimitHeaders],
      maxAge: 600,
    }),
  );
  app.use(authenticate(services));
  const limit = bodyLimit({
    maxSize: maxBodyBytes,
    onError: () => {
      throw new ApiError(413, 'too_large', `the body is too large; want at most ${maxBodyBytes} bytes`);
    },
  });
  for (const path of ['/v1/*', '/generate']) app.use(path, limit);

  app.route('/', health());
  app.route('/v1/files', files(services));
  app.route('/v1/trainings', trainings(services));
  app.route('/', trainingCheck(services));
  app.route('/', openaiImages(services));
  app.route('/', generate(services));
  app.route('/v1/images', images(services));
  app.route('/v1/batches', batches(services));
  app.route('/', loraImports(services));
  app.route('/v1/loras', loras(services));
  app.route('/v1/webhooks', webhooks(services));
  app.route('/v1/models', models(services));
  app.route('/v1/keys', apiKeys(services));
  app.route('/v1/tokens', tokens(services));
  app.route('/v1/usage', usage(services));
  app.route('/v1/audit', audit(services));

  app.openAPIRegistry.registerComponent('securitySchemes', 'apiKey', {
    type: 'http',
    scheme: 'bearer',
    description:
      'An API key, a short-lived token, or a JWT of the issuer that the deployment trusts, with any of the scopes named',
  });
  for (const definition of app.openAPIRegistry.definitions) {
    if (definition.type !== 'route') continue;
    const access = accessOf(definition.route);
    definition.route.security = access && access !== 'public' ? access.scopes.map((scope) => ({ apiKey: [scope] })) : [];
  }
  const about = {
    openapi: '3.1.0',
    info: { title: 'Loraloom', version: '1', description: 'Train LoRAs from a handful of pictures and generate with them.' },
    security: [{ apiKey: [] }],
  };
  app.doc31('/openapi.json', about);
  app.get('/docs', (c) => {
    c.header('Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'");
    // As /openapi.json has it: what no JSON can say is gone.
    const description: Description = JSON.parse(JSON.stringify(app.getOpenAPI31Document(about)));
    return c.html(referencePage(description));
  });

  for (const { method, path } of app.routes) {
    if (method !== 'ALL' && !accessOf({ method, path })) throw new Error(`access.ts does not say who may call ${method} ${path}`);
  }
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

/** Never `*`, nor anything else that stands for more than one page's origin. */
function requireExact(origin: string): void {
  if (URL.canParse(origin) && new URL(origin).origin === origin && !origin.includes('*')) return;
  throw new Error(`origins: want exact ones as https://studio.example, not ${origin}`);
}
