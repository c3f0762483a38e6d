import { handle } from 'hono/aws-lambda';
import { z } from 'zod';
import { createApp } from './app.ts';
import { openServices } from './environment.ts';

/** Of an event of API Gateway's HTTP APIs (payload 2.0), who the gateway was called by. */
const gatewaySchema = z.object({ requestContext: z.object({ http: z.object({ sourceIp: z.string() }) }) });

export const handler = handle(
  createApp({
    ...openServices(process.env),
    // The gateway gives up after 30.
    waitSeconds: 25,
    ipOf: (c) => gatewaySchema.safeParse(c.env).data?.requestContext.http.sourceIp,
  }),
);
