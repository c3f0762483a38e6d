import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

export type Exchange = { request: IncomingMessage; response: ServerResponse };

/**
 * An HTTP server that only this machine can reach.
 * @param port 0: any free one
 * @param answer must not reject: it knows how its protocol reports errors
 */
export async function listenOnLoopback(port: number, answer: (exchange: Exchange) => Promise<void>) {
  const server = createServer({
    // A 5 GiB upload may take its time; nobody but this machine could hold the connection open to harm us.
    requestTimeout: 0,
    // The SDK keeps its connections for longer than Node's 5 s, and would now and then write into one just closed.
    keepAliveTimeout: 120_000,
    maxHeaderSize: 64 * 1024,
  });
  const answers = new Set<Promise<void>>();
  server.on('request', (request, response) => {
    // Whoever refuses a request early still reads it to its end: closing instead would reset the connection, and the
    // sender of a large body would never see the answer.
    response.on('finish', () => request.resume());
    const answered = answer({ request, response }).finally(() => answers.delete(answered));
    answers.add(answered);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address();
  const bound = typeof address === 'object' && address ? address.port : port;

  return {
    url: `http://127.0.0.1:${bound}`,
    /** Ends every connection. Resolves when nobody works on an answer any more. */
    async close(): Promise<void> {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await Promise.all([closed, ...answers]);
    },
  };
}

/** The request's URL taken apart, or undefined if its escapes are not valid UTF-8. A `+` in the query is a blank. */
export function parseTarget(url: string): { path: string; query: [string, string][] } | undefined {
  const at = url.indexOf('?');
  const path = at < 0 ? url : url.slice(0, at);
  const pairs = at < 0 ? [] : url.slice(at + 1).split('&');
  try {
    decodeURIComponent(path);
    const query = pairs
      .filter((pair) => pair !== '')
      .map((pair): [string, string] => {
        const equals = pair.indexOf('=');
        const [name, value] = equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)];
        return [decode(name), decode(value)];
      });
    return { path, query };
  } catch {
    return undefined;
  }
}

function decode(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}

/**
 * The whole body as bytes.
 * @returns undefined if it is larger than `limit` bytes
 */
export async function readBody(body: AsyncIterable<Uint8Array>, limit: number): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size <= limit) chunks.push(chunk);
  }
  return size <= limit ? Buffer.concat(chunks) : undefined;
}
