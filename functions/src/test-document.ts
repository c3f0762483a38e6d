import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { z } from 'zod';
import type { createApp } from './app.ts';

type App = ReturnType<typeof createApp>;

const documentSchema = z.looseObject({
  paths: z.record(z.string(), z.record(z.string(), z.looseObject({ responses: z.record(z.string(), z.unknown()) }))),
});

/** What /openapi.json says of an answer; it is the same for every app, so it is read once. */
type Description = (method: string, path: string, status: number) => ValidateFunction | string;
let description: Promise<Description> | undefined;

/**
 * Holds every answer of an app against /openapi.json: its route, its status, and its JSON.
 * @returns the app, whose requests fail with an Error where the document says something else
 */
export function holdToDocument(app: App): App {
  const { fetch } = app;
  app.fetch = async (request, ...rest) => {
    const answer = await fetch(request, ...rest);
    const { pathname } = new URL(request.url);
    if (request.method === 'OPTIONS' || ['/openapi.json', '/docs'].includes(pathname)) return answer;
    description ??= describe(fetch);
    const validate = (await description)(request.method, pathname, answer.status);
    const what = `${request.method} ${pathname} answered ${answer.status}`;
    if (typeof validate === 'string') throw new Error(`${what}: ${validate}`);
    const body: unknown = await answer.clone().json();
    if (!validate(body)) throw new Error(`${what}, not as described: ${JSON.stringify(validate.errors)} ${JSON.stringify(body)}`);
    return answer;
  };
  return app;
}

async function describe(fetch: App['fetch']): Promise<Description> {
  const document = documentSchema.parse(await (await fetch(new Request('http://localhost/openapi.json'))).json());
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(document, 'api');
  const compiled = new Map<string, ValidateFunction>();
  const at = (...keys: string[]) => {
    const place = `api#/${keys.map((key) => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`;
    const known = compiled.get(place) ?? ajv.compile({ $ref: place });
    compiled.set(place, known);
    return known;
  };
  // A path without parameters before one that has some.
  const paths = Object.keys(document.paths)
    .toSorted((a, b) => Number(a.includes('{')) - Number(b.includes('{')))
    .map((path) => ({ path, pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`) }));

  return (method, pathname, status) => {
    const path = paths.find(({ pattern }) => pattern.test(pathname))?.path;
    const route = path === undefined ? undefined : document.paths[path]?.[method.toLowerCase()];
    // What answers wherever there is no route.
    if (path === undefined || !route)
      return status === 404 || status === 405 || status === 401
        ? at('components', 'schemas', 'Error')
        : 'no such route is described';
    if (!(String(status) in route.responses)) return `want one of ${Object.keys(route.responses)}`;
    return at('paths', path, method.toLowerCase(), 'responses', String(status), 'content', 'application/json', 'schema');
  };
}
