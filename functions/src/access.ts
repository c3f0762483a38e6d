import { z } from 'zod';

/** What a key, a token or a user may do: make pictures, train, or manage the tenant's keys. None includes another. */
export const scopeSchema = z.enum(['images', 'trainings', 'admin']);
export type Scope = z.infer<typeof scopeSchema>;

/** Nobody need say who they are; or: any of these scopes is enough, and short-lived tokens will do or not. */
export type Access = 'public' | { scopes: readonly Scope[]; tokens: boolean };

const anyOf = (...scopes: Scope[]): Access => ({ scopes, tokens: true });
/**
 * Whoever holds a token is a stranger in a browser: of what is the tenant's they find what they have the id of, which nobody
 * can guess. They see no lists, nothing by a name that can be guessed, and no keys.
 */
const withoutTokens = (...scopes: Scope[]): Access => ({ scopes, tokens: false });

/** What each route wants of its caller. `createApp` refuses to serve a route that is not here. */
export const routes: Record<string, Access> = {
  'GET /healthz': 'public',
  'GET /openapi.json': 'public',
  'GET /docs': 'public',

  'POST /v1/files': anyOf('images', 'trainings'),
  'GET /v1/files': withoutTokens('images', 'trainings'),
  'GET /v1/files/{id}': anyOf('images', 'trainings'),
  'DELETE /v1/files/{id}': withoutTokens('images', 'trainings'),

  'POST /v1/trainings': anyOf('trainings'),
  'POST /v1/trainings:check': anyOf('trainings'),
  'GET /v1/trainings': withoutTokens('trainings'),
  'GET /v1/trainings/{id}': anyOf('trainings'),
  'GET /v1/trainings/{id}/events': anyOf('trainings'),
  'POST /v1/trainings/{id}/cancel': anyOf('trainings'),

  'POST /v1/images': anyOf('images'),
  'POST /v1/images/generations': anyOf('images'),
  'POST /generate': anyOf('images'),
  'GET /v1/images': withoutTokens('images'),
  'PUT /v1/images/{id}': anyOf('images'),
  'GET /v1/images/{id}': anyOf('images'),
  'POST /v1/images/{id}/cancel': anyOf('images'),

  'POST /v1/batches': withoutTokens('images'),
  'GET /v1/batches': withoutTokens('images'),
  'GET /v1/batches/{id}': withoutTokens('images'),
  'POST /v1/batches/{id}/cancel': withoutTokens('images'),
  'POST /v1/batches/{id}/retry': withoutTokens('images'),

  'GET /v1/webhooks/secret': withoutTokens('admin'),
  'POST /v1/webhooks/secret/rotate': withoutTokens('admin'),
  'GET /v1/webhooks/deliveries': withoutTokens('admin'),
  'GET /v1/webhooks/deliveries/{id}': withoutTokens('admin'),
  'POST /v1/webhooks/deliveries/{id}/replay': withoutTokens('admin'),

  'GET /v1/loras': withoutTokens('images', 'trainings'),
  'POST /v1/loras': withoutTokens('trainings'),
  'POST /v1/loras:inspect': withoutTokens('images', 'trainings'),
  'GET /v1/loras/{name}': withoutTokens('images', 'trainings'),
  'GET /v1/loras/{name}/versions': withoutTokens('images', 'trainings'),
  'PATCH /v1/loras/{name}': withoutTokens('trainings'),
  'DELETE /v1/loras/{name}': withoutTokens('trainings'),
  'POST /v1/loras/{name}/share': withoutTokens('trainings'),
  'POST /v1/loras/{name}/unshare': withoutTokens('trainings'),
  'GET /v1/models': anyOf('images', 'trainings'),

  'POST /v1/keys': withoutTokens('admin'),
  'GET /v1/keys': withoutTokens('admin'),
  'DELETE /v1/keys/{id}': withoutTokens('admin'),
  'POST /v1/tokens': withoutTokens('images', 'trainings'),
  'GET /v1/audit': withoutTokens('admin'),
  'GET /v1/usage': withoutTokens('images', 'trainings', 'admin'),
};

/** A route as it is named above; undefined for those that an entry adds to the app, such as its web pages. */
export function accessOf({ method, path }: { method: string; path: string }): Access | undefined {
  return routes[`${method.toUpperCase()} ${path.replaceAll(/\/:(\w+)(?:\{[^}]*\})?/g, '/{$1}')}`];
}
