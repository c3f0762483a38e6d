import { createApp } from './app.ts';
import { openServices } from './environment.ts';

let app: ReturnType<typeof createApp> | undefined;

/** The API as a worker of Cloudflare's, or of anything else that runs workerd. */
export default {
  fetch(request: Request, variables: unknown): Response | Promise<Response> {
    // What its environment says, a worker is told with a request; outside of requests it may not even draw a random number.
    app ??= createApp({
      ...openServices(variables),
      // Cloudflare writes it, whatever the caller wrote there.
      ipOf: (c) => c.req.header('cf-connecting-ip'),
    });
    return app.fetch(request);
  },
};
