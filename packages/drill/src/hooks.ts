import { createServer } from 'node:http';
import { LoraloomError, verifyWebhook } from '@loraloom/client';
import { z } from 'zod';

/** One webhook as it came. */
export interface Told {
  headers: Record<string, string | readonly string[] | undefined>;
  body: string;
  /** Milliseconds since 1970. */
  at: number;
}

type Ended = { id: string; object: string; status: string };

const toldSchema = z.object({ type: z.string(), data: z.object({ id: z.string() }) });

/** A customer's server, which is told when jobs have ended. */
export async function openHooks() {
  const told: Told[] = [];
  const server = createServer(async (request, response) => {
    const body = String(Buffer.concat(await request.toArray()));
    told.push({ headers: request.headers, body, at: Date.now() });
    response.writeHead(204).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    told,
    close(): void {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Whoever wants to hear of an end hears of it, of this end and no other, under one id however often, and signed. */
export async function wrongsOfHooks(told: readonly Told[], secret: string, jobs: readonly Ended[]): Promise<string[]> {
  const wrongs: string[] = [];
  const heard = new Map<string, { type: string; id: string }[]>();
  for (const { headers, body, at } of told) {
    try {
      const { type, data } = toldSchema.parse(await verifyWebhook(body, headers, { secret, now: at }));
      heard.set(data.id, [...(heard.get(data.id) ?? []), { type, id: String(headers['webhook-id']) }]);
    } catch (error) {
      if (!(error instanceof LoraloomError)) throw error;
      wrongs.push(error.message);
    }
  }
  for (const { id, object, status } of jobs) {
    const all = heard.get(id) ?? [];
    const end = `${object}.${status}`;
    if (all.length === 0) wrongs.push(`nobody was told that ${id} is ${status}`);
    for (const { type } of all) if (type !== end) wrongs.push(`told that ${id} is ${type}, not ${end}`);
    if (new Set(all.map((one) => one.id)).size > 1) wrongs.push(`the end of ${id} was told under several ids`);
  }
  return wrongs;
}
