import { openModerator, parsePolicy } from '@loraloom/moderation';
import { handle } from 'hono/aws-lambda';
import { z } from 'zod';
import { bucketKeys } from './api-key.ts';
import { createApp } from './app.ts';
import { cloud } from './cloud.ts';
import { pricesFrom } from './prices.ts';

const environment = z
  .object({
    KEY_PEPPER: z.string().min(32),
    /** What moderation lets through, as JSON; see docs/moderation.md. */
    MODERATION: z.string().optional(),
    /** Comma-separated. */
    CORS_ORIGINS: z.string().default(''),
  })
  .parse(process.env);

export const handler = handle(
  createApp({
    ...cloud,
    keys: bucketKeys(cloud.bucket),
    pepper: environment.KEY_PEPPER,
    // The gateway gives up after 30.
    waitSeconds: 25,
    moderator: openModerator(parsePolicy(environment.MODERATION)),
    origins: environment.CORS_ORIGINS.split(',').filter((origin) => origin !== ''),
    prices: pricesFrom(process.env),
  }),
);
