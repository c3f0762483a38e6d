import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { emoji } from './emoji.ts';
import { startStack } from './stack.ts';

/*
 * `npm start`: the whole of Loraloom on this machine until Ctrl-C.
 */

const { PORT, OTEL_EXPORTER_OTLP_ENDPOINT: otlpEndpoint } = z
  .object({
    PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
    OTEL_EXPORTER_OTLP_ENDPOINT: z.url().optional(),
  })
  .parse(process.env);
const folder = fileURLToPath(new URL('../../../.loraloom', import.meta.url));

const pages = fileURLToPath(new URL('../../studio/dist', import.meta.url));

const stack = await startStack({ folder, port: PORT, models: [emoji], pages, otlpEndpoint }).catch((error: unknown) => {
  const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
  console.error(taken ? `Port ${PORT} is in use; choose another: PORT=8081 npm start` : error);
  process.exit(1);
});

console.log(`
Open ${stack.url}/#key=${stack.apiKey} in a browser.

The API: ${stack.url}   (its description: ${stack.url}/openapi.json)
Development API key: ${stack.apiKey}
Data: ${folder}   The worker's log: ${join(folder, 'worker.log')}

Ask for a picture, then look at it until its status is "succeeded" and open the url in it:

curl -s ${stack.url}/v1/images -H 'authorization: Bearer ${stack.apiKey}' -H 'content-type: application/json' \\
  -d '{"model":"emoji","prompt":"red apple, blue background"}' | tee /tmp/loraloom.json
curl -s ${stack.url}/v1/images/$(sed 's/.*"id":"\\(img_[a-z0-9]*\\)".*/\\1/' /tmp/loraloom.json) -H 'authorization: Bearer ${stack.apiKey}'

Ctrl-C stops it.
`);

let stopping = false;
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (stopping) process.exit(1);
    stopping = true;
    console.log('Stopping …');
    stack.close().then(() => process.exit(0));
  });
}
