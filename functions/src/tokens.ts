import { createRoute } from '@hono/zod-openapi';
import { tokenIdSchema } from '@loraloom/jobs';
import { z } from 'zod';
import { ApiError } from './error.ts';
import { examples } from './examples.ts';
import { body, errors, json, newRouter, ofBody } from './router.ts';
import type { Services } from './services.ts';
import { mintToken, tokenRequestSchema } from './token.ts';

export const tokenSchema = tokenRequestSchema
  .omit({ minutes: true })
  .strip()
  .extend({
    id: tokenIdSchema,
    object: z.literal('token'),
    token: z.string().meta({ description: 'To send as a key is sent' }),
    expires_at: z.iso.datetime(),
  })
  .meta({ id: 'Token' });
export type Token = z.infer<typeof tokenSchema>;

const post = createRoute({
  method: 'post',
  path: '/',
  summary: 'Mint a short-lived token for a browser or a phone',
  description:
    'It may do what is asked for here and no more, ends with the key that minted it, and can neither list what others made, nor mint, nor see keys.',
  request: body(tokenRequestSchema, examples.tokenRequest),
  responses: { 201: json('The token, this once', tokenSchema, examples.token), ...errors(401, 403, ...ofBody, 429) },
});

/** Short-lived tokens, minted by API keys. */
export function tokens({ pepper }: Services) {
  return newRouter().openapi(post, async (c) => {
    const wanted = c.req.valid('json');
    const { tenant, scopes, key } = c.var.caller;
    if (!key) throw new ApiError(403, 'insufficient_scope', 'want an API key: a token ends with the key that minted it');
    const missing = wanted.scopes.find((scope) => !scopes.includes(scope));
    if (missing)
      throw new ApiError(403, 'insufficient_scope', `scopes: your key does not have the scope ${missing} itself`, 'scopes');
    const expiresAt = Math.min(Date.now() + wanted.minutes * 60_000, key.expiresAt ?? Number.POSITIVE_INFINITY);
    const minted = await mintToken(pepper, { tenant, keyId: key.id }, wanted, expiresAt);
    const { minutes: _, ...granted } = wanted;
    c.header('Cache-Control', 'no-store');
    return c.json({ ...minted, object: 'token' as const, ...granted }, 201);
  });
}
